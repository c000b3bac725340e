"""`prefiqs calibrate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer


def calibrate(
    photos: Annotated[list[Path], typer.Argument(help="Photos of all qualities, or folders of them; a few hundred.")],
    out: Annotated[Path, typer.Option(help="Write the calibration to this .json.")],
    model: Annotated[str, typer.Option(help="FR model that is calibrated.")] = "sface",
    aligned: Annotated[bool, typer.Option(help="The photos are aligned 112×112 faces already.")] = False,
) -> None:
    """Calibrate the method froq: choose the layers of a model that it listens to, for `-o calibration=FILE`."""
    from prefiqs.faces.find import find_photos
    from prefiqs.faces.reader import FaceReader
    from prefiqs.methods.froq import calibrate as choose_layers
    from prefiqs.models.loading import load_model

    paths = find_photos(photos)
    faces = [face.image for photo in map(FaceReader(aligned), paths) for face in photo.faces]
    calibration = choose_layers(np.stack(faces) if faces else np.empty(0), load_model(model))
    calibration.save(out)
    print(f"{len(paths)} photos, {len(faces)} faces; Spearman correlation {calibration.correlation:.3f} with "
          f"{', '.join(calibration.layers)}", file=sys.stderr)  # fmt: skip
