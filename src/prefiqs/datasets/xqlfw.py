"""Cross-Quality LFW: pairs whose images differ most in quality, given out aligned.

Source: Knoche, Hörmann, Rigoll, "Cross-Quality LFW: A Database for Analyzing Cross-Resolution Image Face Recognition
in Unconstrained Environments", FG 2021.
"""

from pathlib import Path

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.faces import LazyFaces
from prefiqs.datasets.lfw import read_lfw_pairs
from prefiqs.datasets.photos import face_index
from prefiqs.errors import InputError
from prefiqs.faces.decode import decode_face

XQLFW_FACES, XQLFW_PAIRS = "xqlfw_aligned_112", "xqlfw_pairs.txt"


def build_xqlfw(folder: Path) -> Benchmark:
    """XQLFW from `xqlfw_aligned_112/NAME/NAME_0001.jpg` and `xqlfw_pairs.txt`, with its 10 folds.

    Faces are taken as they are given out, 112×112; only those that occur in pairs.

    Raises:
        InputError: the list is not in LFW's format, or a face that it names is missing or of another size.
    """
    names, pairs, genuine, folds = read_lfw_pairs(folder / XQLFW_PAIRS)
    paths = [folder / XQLFW_FACES / name for name in names]
    if missing := [path for path in paths if not path.is_file()]:
        raise InputError(f"Expected {len(paths)} faces of XQLFW, got no {missing[0]} ({len(missing)} missing).")
    faces = LazyFaces(len(paths), lambda row: decode_face(paths[row].read_bytes(), str(paths[row])))
    return Benchmark("xqlfw", faces, face_index(names, [name.split("/")[0] for name in names]), pairs, genuine, folds)
