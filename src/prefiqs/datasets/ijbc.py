"""IJB-C, 1:1 verification of templates: 469,375 faces of 3,531 people in 23,124 templates, 15.66 million pairs.

Maze et al., "IARPA Janus Benchmark – C: Face Dataset and Protocol", ICB 2018; crops and lists as insightface publishes
them for its `eval_ijbc.py`.
"""

from pathlib import Path

import numpy as np

from prefiqs.datasets.benchmark import Benchmark, Templates
from prefiqs.datasets.pairs import linked
from prefiqs.datasets.source import BenchmarkCard, LazyFaces, SourceFormat, face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import read_photo
from prefiqs.faces.template import align_to_template
from prefiqs.io.pairs import read_template_pairs, read_templates
from prefiqs.io.tables import require_files
from prefiqs.io.user_tables import read_user_table

_CROPS = "loose_crop"
_LISTS = _POINTS, _MEDIA, _PAIRS = "ijbc_name_5pts_score.txt", "ijbc_face_tid_mid.txt", "ijbc_template_pair_label.txt"
_COORDINATES = [f"{axis}{point}" for point in range(1, 6) for axis in "xy"]


def build_ijbc(folder: Path) -> Benchmark:
    """Read IJB-C; crops are decoded and aligned one by one while the benchmark is saved.

    The folder has `loose_crop/NAME` and, in `meta/` or beside it, three lists: `NAME X1 Y1 … X5 Y5 SCORE` (landmarks
    in pixels of the crop, and the detector's score, `detection` in the index), `NAME TEMPLATE MEDIUM` (the same images
    in the same order) and `TEMPLATE TEMPLATE LABEL` (1 = genuine). People are the templates that genuine pairs connect,
    named after the first of them. Alignment continues a crop by its edge where the published evaluation pads with
    black. Raises `InputError` if a list or a crop is missing, or a line contradicts another list.
    """
    meta = folder / "meta" if (folder / "meta").is_dir() else folder
    columns = {"name": "str", **dict.fromkeys(_COORDINATES, "float64"), "score": "float64"}
    faces = read_user_table(meta / _POINTS, columns)
    names, landmarks = faces["name"].to_numpy(), faces[_COORDINATES].to_numpy().reshape(-1, 5, 2)

    listed, *numbers = read_templates(meta / _MEDIA)
    if len(listed) != len(faces):
        raise InputError(f"{meta / _MEDIA} has {len(listed)} lines for {len(faces)} images.")
    if len(different := np.flatnonzero(np.array(listed, object) != names)):
        line, there = different[0], f"{_POINTS} has {names[different[0]]} there"
        raise InputError(f"Line {line + 1} of {meta / _MEDIA} names image {listed[line]}; {there}.")
    templates = Templates.of(*numbers)
    pairs, genuine = read_template_pairs(meta / _PAIRS, templates.ids)

    crops = folder / _CROPS
    require_files(crops, names)
    people = templates.ids[linked(len(templates), pairs[genuine])].astype(str).astype(object)
    index = face_index(names, people[templates.rows]).assign(detection=faces["score"])
    images = LazyFaces(len(names), lambda i: align_to_template(read_photo(crops / names[i]), landmarks[i]))
    return Benchmark("ijbc", images, index, pairs, genuine, templates=templates)


IJBC = BenchmarkCard(
    "ijb-c",
    "IARPA Janus Benchmark C, 1:1 verification",
    "https://www.nist.gov/programs-projects/face-challenges (crops and lists: insightface, recognition/_datasets_)",
    "as agreed with NIST",
    (SourceFormat(((_CROPS,), *((f"meta/{file}", file) for file in _LISTS)), build_ijbc, aligned=True),),
    images=469_375,
)
