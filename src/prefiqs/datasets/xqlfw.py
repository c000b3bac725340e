"""Cross-Quality LFW: pairs whose images differ most in quality, given out aligned.

Source: Knoche, Hörmann, Rigoll, "Cross-Quality LFW: A Database for Analyzing Cross-Resolution Image Face Recognition
in Unconstrained Environments", FG 2021.
"""

from pathlib import Path

from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.lfw import read_lfw_pairs
from prefiqs.datasets.prepared import PREPARED
from prefiqs.datasets.source import BenchmarkCard, SourceFormat, aligned_faces, face_index

_FACES, _PAIRS = "xqlfw_aligned_112", "xqlfw_pairs.txt"


def build_xqlfw(folder: Path) -> Benchmark:
    """XQLFW from `xqlfw_aligned_112/NAME/NAME_0001.jpg` and `xqlfw_pairs.txt`, with its 10 folds.

    It has the faces that occur in pairs. Raises `InputError` as `read_lfw_pairs`, and for a face that is missing.
    """
    names, pairs, genuine, folds = read_lfw_pairs(folder / _PAIRS)
    return Benchmark("xqlfw", aligned_faces(folder / _FACES, names), face_index(names), pairs, genuine, folds)


XQLFW = BenchmarkCard(
    "xqlfw",
    "Cross-Quality LFW",
    "https://martlgap.github.io/xqlfw/pages/download.html",
    "MIT; photos as LFW's",
    (SourceFormat(((_FACES,), (_PAIRS,)), build_xqlfw, aligned=True), PREPARED),
    images=12_000,
)
