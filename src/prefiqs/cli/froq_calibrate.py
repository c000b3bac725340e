"""`prefiqs froq-calibrate`."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
from typer import Argument, Option

from prefiqs.cli import _shared as shared


def froq_calibrate(
    photos: Annotated[list[str], Argument(help="A few hundred photos of good and bad quality, or folders of them.")],
    out: Annotated[Path, Option(help="The .json file to write.")],
    model: shared.Model = "sface",
    aligned: shared.Aligned = False,
) -> None:
    """Choose the layers for the method froq, and save them in a file.

    Then score with `prefiqs score --method froq -o calibration=FILE`.
    """
    from prefiqs.faces.find import find_images, in_words
    from prefiqs.faces.lists import expand_lists
    from prefiqs.faces.reader import FaceReader
    from prefiqs.methods.froq import calibrate
    from prefiqs.models.loading import load_model

    passed_over: Counter[str] = Counter()
    shards = find_images(expand_lists(photos), passed_over=passed_over)
    images = (image for shard in shards for image in shard.images())
    found = list(map(FaceReader(aligned), images))
    faces = [face.image for photo in found for face in photo.faces]
    calibration = calibrate(np.stack(faces) if faces else np.empty(0), load_model(model))
    calibration.save(out)
    print(f"{len(found)} photos, {len(faces)} faces; Spearman correlation {calibration.correlation:.3f} with "
          f"{', '.join(calibration.layers)}. {in_words(passed_over, shards)}".rstrip(), file=sys.stderr)  # fmt: skip
