"""The benchmarks: what each needs and how it is built. A new one is a file in this folder and an entry here."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from prefiqs.datasets.adience import CROPS, FOLD_LISTS, build_adience
from prefiqs.datasets.benchmark import Benchmark
from prefiqs.datasets.card import BenchmarkCard, SourceFormat
from prefiqs.datasets.ijbc import build_ijbc
from prefiqs.datasets.insightface_bin import build_insightface_bin
from prefiqs.datasets.lfw import LFW_ARCHIVES, LFW_FOLDERS, build_lfw
from prefiqs.datasets.orl import build_orl
from prefiqs.datasets.photos import Align
from prefiqs.datasets.prepared import IMAGES, PAIR_LIST, PATH_LIST, read_prepared
from prefiqs.datasets.synfiqa import build_synfiqa
from prefiqs.datasets.xqlfw import XQLFW_FACES, XQLFW_PAIRS, build_xqlfw
from prefiqs.errors import InputError
from prefiqs.faces.decode import read_photo


def build_benchmark(name: str, root: str | Path, align: Align, **options: object) -> Benchmark:
    """Build a benchmark from the files of its owners.

    Args:
        name: a key of `BENCHMARKS`.
        root: the data root; the files are in `root`/sources/NAME.
        align: from a photo (uint8 RGB h×w×3) to all its faces, largest first; for benchmarks distributed as photos.
        options: of the benchmark's own builder, such as Adience's `impostors`.

    Raises:
        InputError: an unknown name; a missing file (the message says which, where to put it and where to get it); or a
            file that is not in its format.
    """
    if name not in BENCHMARKS:
        raise InputError(f"Unknown benchmark {name!r}; choose one of {', '.join(BENCHMARKS)}.")
    card = BENCHMARKS[name]
    folder = card.folder(root)
    if missing := card.missing(root):
        raise InputError(
            f"Benchmark {name}: {' or '.join(missing[0])} not found in {folder}. Put it there; it is distributed by "
            f"{card.owner}."
        )
    complete = next(each for each in card.formats if not each.missing(folder))
    return replace(complete.build(folder, align, **options), name=name)


def _orl(folder: Path, align: Align, **options: int) -> Benchmark:
    return build_orl(folder, lambda path: align(read_photo(path))[0].image, **options)


def _bin(file: str) -> SourceFormat:
    return SourceFormat(((file,),), lambda folder, _align: build_insightface_bin(folder / file, ""))


def _aligned(*files: str | tuple[str, ...], build: Callable[..., Benchmark]) -> SourceFormat:
    """A format of aligned faces."""
    needed = tuple((f,) if isinstance(f, str) else f for f in files)
    return SourceFormat(needed, lambda folder, _align, **options: build(folder, **options))


_PREPARED = _aligned(PATH_LIST, PAIR_LIST, IMAGES, build=read_prepared)
_PREPARED_UNFOLDED = _aligned(PATH_LIST, PAIR_LIST, IMAGES, build=partial(read_prepared, folds=None))
_INSIGHTFACE = (
    "https://github.com/deepinsight/insightface, recognition/_datasets_ (inside the training set MS1M-ArcFace)"
)
_IJBC_LISTS = ("ijbc_name_5pts_score.txt", "ijbc_face_tid_mid.txt", "ijbc_template_pair_label.txt")

_TABLE = (
    BenchmarkCard(
        "orl",
        "AT&T (ORL) faces",
        "the fetched assets (`prefiqs fetch orl`)",
        "research, with acknowledgement of AT&T Laboratories Cambridge",
        (SourceFormat((("s1/1.pgm",), ("s40/10.pgm",)), _orl),),
        path="assets/orl",
        images=400,
    ),
    BenchmarkCard(
        "lfw",
        "Labeled Faces in the Wild, view 2",
        "https://vis-www.cs.umass.edu/lfw (or the copy that scikit-learn's fetch_lfw_pairs names)",
        "research",
        (SourceFormat((LFW_FOLDERS + LFW_ARCHIVES, ("pairs.txt",)), build_lfw), _bin("lfw.bin"), _PREPARED),
        images=7_701,
    ),
    BenchmarkCard(
        "agedb-30",
        "AgeDB, 30 years apart",
        _INSIGHTFACE,
        "research, non-commercial",
        (_bin("agedb_30.bin"), _PREPARED),
        images=12_000,
    ),
    BenchmarkCard(
        "cfp-fp", "CFP, frontal to profile", _INSIGHTFACE, "research", (_bin("cfp_fp.bin"), _PREPARED), images=14_000
    ),
    BenchmarkCard(
        "cfp-ff", "CFP, frontal to frontal", _INSIGHTFACE, "research", (_bin("cfp_ff.bin"), _PREPARED), images=14_000
    ),
    BenchmarkCard("calfw", "Cross-Age LFW", _INSIGHTFACE, "research", (_bin("calfw.bin"), _PREPARED), images=12_000),
    BenchmarkCard("cplfw", "Cross-Pose LFW", _INSIGHTFACE, "research", (_bin("cplfw.bin"), _PREPARED), images=12_000),
    BenchmarkCard(
        "adience",
        "Adience",
        "https://talhassner.github.io/home/projects/Adience/Adience-data.html",
        "research; photos under the Creative Commons licences of their owners",
        (SourceFormat((tuple(CROPS), *zip(*FOLD_LISTS, strict=True)), build_adience), _PREPARED_UNFOLDED),
        images=19_370,
    ),
    BenchmarkCard(
        "xqlfw",
        "Cross-Quality LFW",
        "https://martlgap.github.io/xqlfw/pages/download.html",
        "MIT; photos as LFW's",
        (_aligned(XQLFW_FACES, XQLFW_PAIRS, build=build_xqlfw), _PREPARED),
        images=12_000,
    ),
    BenchmarkCard(
        "ijb-c",
        "IARPA Janus Benchmark C, 1:1 verification",
        "https://www.nist.gov/programs-projects/face-challenges (crops and lists: insightface, recognition/_datasets_)",
        "as agreed with NIST",
        (_aligned("loose_crop", *((f"meta/{f}", f) for f in _IJBC_LISTS), build=build_ijbc),),
        images=469_375,
    ),
    BenchmarkCard(
        "synfiqa",
        "SynFIQA, generated faces with quality labels",
        "https://github.com/oufuzhao/MR-FIQA",
        "CC BY-NC 4.0",
        (_aligned("Quality-Scores.txt", "data", build=build_synfiqa),),
        images=550_000,
    ),
)

BENCHMARKS: dict[str, BenchmarkCard] = {card.name: card for card in _TABLE}
