"""Five points per face that a data set brings, instead of those of the detector."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from prefiqs.errors import InputError
from prefiqs.faces.template import ARCFACE_TEMPLATE, similarity_transform
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.user_tables import has_header, location_of_row, names_of, number_column, read_user_table

_POINTS = (
    ("lefteye", "leye", "eyeleft"),
    ("righteye", "reye", "eyeright"),
    ("nose", "nosetip"),
    ("leftmouth", "mouthleft", "lmouth", "leftmouthcorner", "mouthleftcorner"),
    ("rightmouth", "mouthright", "rmouth", "rightmouthcorner", "mouthrightcorner"),
)
_SWAPPED = [1, 0, 2, 4, 3]
# Of the distance of the template's eyes: the detector's points on every second profile of CFP miss it by at most 0.46.
_FAR = 0.5
_LEAST = 2  # pixels between the eyes, if the face were seen from the front


class GivenLandmarks:
    """The points in a file, by photo: `PATH x1 y1 … x5 y5` (and a confidence in [0, 1]), CelebA's list, or a table.

    The order is eyes, nose, corners of the mouth. Tables call their columns as those of `prefiqs score` (left_eye_x),
    in any common spelling (lefteye_x, nose_tip_x, mouth_left_x), or x1 … y5. Photos may be named by another path (see
    `ImageNameIndex`), and have several rows, one a face.

    Raises `InputError` for a file without such columns, other numbers without a header, or a row with some of the ten
    numbers only.
    """

    def __init__(self, path: Path):
        table = read_user_table(path, {"name": "str"}, vector=True)
        names, columns = names_of(table, path).to_numpy(), _columns(table, path)
        points = np.column_stack([number_column(table, column, path) for column in columns])
        known = np.isfinite(points)
        if len(bad := np.flatnonzero(known.any(1) & ~known.all(1))):
            raise InputError(f"Coordinates are missing in {location_of_row(table, int(bad[0]), path)}.")
        rows: dict[str, list[np.ndarray]] = defaultdict(list)
        for name, face, complete in zip(names, points.reshape(-1, 5, 2), known.all(1), strict=True):
            if complete and not any(np.array_equal(face, other) for other in rows[name]):  # a row for each method
                eyes, down = face[1] - face[0], face[3:].mean(0) - face[:2].mean(0)
                # Points that are called by the person's left would be mirrored, which no photo is.
                mirrored = eyes[0] * down[1] - eyes[1] * down[0] < 0
                rows[name].append(face[_SWAPPED] if mirrored else face)
        self.path, self._faces, self._index = path, list(rows.values()), ImageNameIndex(rows, str(path))
        self._rows: dict[str, int] = {}

    def expect(self, names: Sequence[str]) -> None:
        """Look for all these photos at once, which is faster, and says once what is to be said of them."""
        self._rows = dict(zip(names, self._index.rows(names).tolist(), strict=True))

    def of(self, name: str) -> list[np.ndarray]:
        """The faces of a photo, each float64 5×2 in pixels; `InputError` if it has none in the file."""
        row = self._rows[name] if name in self._rows else int(self._index.rows([name])[0])
        if row < 0 or not self._faces[row]:
            raise InputError(f"{self.path} has no landmarks of {name}.")
        return self._faces[row]

    def checked(self, face: np.ndarray, name: str) -> np.ndarray:
        """The same points; `InputError` if they do not have the shape of a face, as in most other orders, or are tiny.

        Points with y before x look like a face that lies on its side, and raise nothing.
        """
        transform = similarity_transform(face, ARCFACE_TEMPLATE)
        missed = face @ transform[:, :2].T + transform[:, 2] - ARCFACE_TEMPLATE
        eyes, mouth = face[1] - face[0], face[4] - face[3]
        apart = np.linalg.norm(ARCFACE_TEMPLATE[1] - ARCFACE_TEMPLATE[0])
        if apart < _LEAST * np.linalg.norm(transform[:, 0]):
            raise InputError(f"The landmarks of {name} in {self.path} lie within a few pixels. They must be in "
                             "pixels of the photo.")  # fmt: skip
        if eyes @ mouth < 0 or np.sqrt((missed**2).sum(axis=1).mean()) > _FAR * apart:
            raise InputError(f"The landmarks of {name} in {self.path} are not those of a face. Their order must be "
                             "eyes, nose, corners of the mouth, each x before y.")  # fmt: skip
        return face


def _columns(table: pd.DataFrame, path: Path) -> list[str]:
    numbers = len(table.columns) - 1
    if not has_header(table, path) and numbers != 10 and not (numbers == 11 and table["v11"].between(0, 1).all()):
        raise InputError(f"{path} has {numbers} numbers after each path, but must have ten, `PATH x1 y1 … x5 y5`, or a "
                         "header that names its columns.")  # fmt: skip
    plain = {re.sub(r"[\s_.-]", "", column.lower()): column for column in reversed(table.columns)}
    for spellings in ([[f"{axis}{i}"] for i in range(1, 6) for axis in "xy"],
                      [[f"v{i}"] for i in range(1, 11)],
                      [[text for name in names for text in (name + axis, axis + name)]
                       for names in _POINTS for axis in "xy"]):  # fmt: skip
        found = [next((plain[text] for text in some if text in plain), None) for some in spellings]
        if all(found):
            return [column for column in found if column]
    columns = ", ".join(table.columns[:12])
    raise InputError(f"{path} must have ten coordinates: left_eye_x, left_eye_y, right_eye_x … right_mouth_y, x1, y1 … "
                     f"y5, or text `PATH x1 y1 … x5 y5`. Its columns are {columns}.")  # fmt: skip
