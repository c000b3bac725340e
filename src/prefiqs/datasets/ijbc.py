"""IJB-C, 1:1 verification of templates: 469,375 faces of 3,531 people in 23,124 templates, 15.66 million pairs.

Maze et al., "IARPA Janus Benchmark – C: Face Dataset and Protocol", ICB 2018; crops and lists as insightface publishes
them for its `eval_ijbc.py`.
"""

from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from prefiqs.datasets.benchmark import Benchmark, Templates
from prefiqs.datasets.faces import LazyFaces
from prefiqs.datasets.photos import face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import read_photo
from prefiqs.faces.template import align_to_template
from prefiqs.io.tables import read_text_table, require_files

_POINTS = [f"{axis}{point}" for point in range(1, 6) for axis in "xy"]


def build_ijbc(folder: Path) -> Benchmark:
    """Read IJB-C; crops are decoded and aligned one by one while the benchmark is saved.

    Args:
        folder: holds `loose_crop/NAME` and, in `meta/` or beside it, three lists whose lines are
            `NAME X1 Y1 … X5 Y5 SCORE` (`ijbc_name_5pts_score.txt`: eyes, nose, mouth corners in pixels of the crop, and
            the face detector's score), `NAME TEMPLATE MEDIUM` (`ijbc_face_tid_mid.txt`: the same images in the same
            order) and `TEMPLATE TEMPLATE LABEL` (`ijbc_template_pair_label.txt`: 1 = genuine).

    Returns:
        A benchmark with templates. The lists do not say who is shown: people are the templates that genuine pairs
        connect, named after the first of them. The index also has `detection`, the detector's score. Alignment
        continues a crop by its edge where the published evaluation pads with black.

    Raises:
        InputError: a list or a crop is missing, or lists contradict each other; names the line.
    """
    meta = folder / "meta" if (folder / "meta").is_dir() else folder
    crops = folder / "loose_crop"
    faces = read_text_table(
        meta / "ijbc_name_5pts_score.txt",
        {"name": "str", **dict.fromkeys(_POINTS, "float64"), "score": "float64"},
    )
    names = faces["name"].to_numpy()
    templates = _read_templates(meta / "ijbc_face_tid_mid.txt", names)
    pairs, genuine = _read_pairs(meta / "ijbc_template_pair_label.txt", templates)
    require_files(crops, names)
    landmarks = faces[_POINTS].to_numpy().reshape(-1, 5, 2)
    subjects = _people(templates, pairs[genuine])[templates.rows]
    index = face_index(names, subjects).assign(detection=faces["score"])
    images = LazyFaces(len(names), lambda i: align_to_template(read_photo(crops / names[i]), landmarks[i]))
    return Benchmark("ijbc", images, index, pairs, genuine, templates=templates)


def _read_templates(path: Path, names: np.ndarray) -> Templates:
    table = read_text_table(path, {"name": "str", "template": "int32", "medium": "int32"})
    listed = table["name"].to_numpy()
    if len(listed) != len(names):
        raise InputError(f"Expected {len(names)} lines in {path}, one for each image, got {len(listed)}.")
    different = np.flatnonzero(listed != names)
    if len(different):
        line = different[0]
        raise InputError(f"Expected image {names[line]} in line {line + 1} of {path}, got {listed[line]}.")
    return Templates.of(table["template"].to_numpy(), table["medium"].to_numpy())


def _read_pairs(path: Path, templates: Templates) -> tuple[np.ndarray, np.ndarray]:
    """The pairs as rows of `templates`, int32 P×2, and bool P, whether they are genuine."""
    table = read_text_table(path, {"template1": "int32", "template2": "int32", "label": "int32"})
    pairs = np.empty((len(table), 2), np.int32)
    for side, column in enumerate(["template1", "template2"]):
        ids = table[column].to_numpy()
        pairs[:, side] = np.searchsorted(templates.ids, ids)
        unknown = np.flatnonzero(templates.ids[pairs[:, side] % len(templates)] != ids)
        if len(unknown):
            raise InputError(
                f"Expected templates that have images in line {unknown[0] + 1} of {path}, got {ids[unknown[0]]}."
            )
    label = table["label"].to_numpy()
    wrong = np.flatnonzero((label != 0) & (label != 1))
    if len(wrong):
        raise InputError(f"Expected label 0 or 1 in line {wrong[0] + 1} of {path}, got {label[wrong[0]]}.")
    return pairs, label == 1


def _people(templates: Templates, genuine_pairs: np.ndarray) -> np.ndarray:
    """Who is shown in each template: the number of the first template that genuine pairs connect with it, T strings."""
    links = coo_array((np.ones(len(genuine_pairs), bool), genuine_pairs.T), shape=(len(templates), len(templates)))
    _, person = connected_components(links, directed=False)
    _, first = np.unique(person, return_index=True)
    return templates.ids[first][person].astype(str).astype(object)
