"""From the photos of a data set to aligned faces, and the labels that go with them."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.align import AlignedFace

Align = Callable[[np.ndarray], list[AlignedFace]]
"""From a photo (uint8 RGB h×w×3) to all its faces, largest first; raises `NoFaceFound`."""

_SMALLEST_SHARE = 1 / 4


def central_face(faces: list[AlignedFace], photo: np.ndarray) -> AlignedFace:
    """The face whose box centre is nearest to the centre of the photo: the person a cropped photo is meant to show.

    Faces of less than a quarter of the largest one's area are people in the background and are passed over.
    """
    large = max(f.box[2] * f.box[3] for f in faces) * _SMALLEST_SHARE
    middle = np.array(photo.shape[1::-1]) / 2
    return min(
        (f for f in faces if f.box[2] * f.box[3] >= large),
        key=lambda f: np.linalg.norm(f.box[:2] + f.box[2:] / 2 - middle),
    )


def align_photos(
    photos: Iterable[tuple[str, np.ndarray]], align: Align
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The aligned central face of each photo by the photo's name, and why there is none for each of the others.

    Raises `InputError` if no photo has a face.
    """
    faces, excluded = {}, {}
    for name, photo in photos:
        try:
            faces[name] = central_face(align(photo), photo).image
        except NoFaceFound as error:
            excluded[name] = str(error)
    if excluded and not faces:
        raise InputError(
            f"No face was found in any of {len(excluded)} photos; the first: {next(iter(excluded.values()))}"
        )
    return faces, excluded


def face_index(names: list[str], subjects: Sequence[str], sources: list[str] | None = None) -> pd.DataFrame:
    """The index of undegraded images: name, subject, source (the name where None), degradation, severity."""
    labels = {"name": names, "subject": subjects, "source": names if sources is None else sources}
    return pd.DataFrame({**labels, "degradation": "none", "severity": 0.0})
