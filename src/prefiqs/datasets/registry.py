"""The benchmarks: how they are built and which are there. A new one is a file in this folder and two lines here."""

from dataclasses import replace
from pathlib import Path

from prefiqs.datasets.adience import ADIENCE
from prefiqs.datasets.benchmark import Benchmark, benchmark_folder, load_benchmark
from prefiqs.datasets.cfp import cfp_format
from prefiqs.datasets.formats import BIN_OWNER, PREPARED, bin_format
from prefiqs.datasets.ijbc import IJBC
from prefiqs.datasets.lfw import LFW, XQLFW
from prefiqs.datasets.orl import ORL
from prefiqs.datasets.people import build_people
from prefiqs.datasets.source import Align, BenchmarkCard, SourceFormat
from prefiqs.datasets.synfiqa import SYNFIQA
from prefiqs.errors import InputError


def _insightface(name: str, title: str, licence: str, images: int, *official: SourceFormat) -> BenchmarkCard:
    formats = (bin_format(name.replace("-", "_") + ".bin"), PREPARED, *official)
    return BenchmarkCard(name, title, BIN_OWNER, licence, formats, images=images)


_CARDS = (
    ORL,
    LFW,
    _insightface("agedb-30", "AgeDB, 30 years apart", "research, non-commercial", 12_000),
    _insightface("cfp-fp", "CFP, frontal to profile", "research", 5_901, cfp_format("FP")),
    _insightface("cfp-ff", "CFP, frontal to frontal", "research", 4_764, cfp_format("FF")),
    _insightface("calfw", "Cross-Age LFW", "research", 12_000),
    _insightface("cplfw", "Cross-Pose LFW", "research", 12_000),
    ADIENCE,
    XQLFW,
    IJBC,
    SYNFIQA,
)
_PACKED = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".rar", ".7z")
BENCHMARKS: dict[str, BenchmarkCard] = {card.name: card for card in _CARDS}


def build_benchmark(name: str, root: str | Path, align: Align) -> Benchmark:
    """Build a benchmark from the files of its owners, in the folder sources/NAME of the data root.

    Any other name is that of a folder of people there, see `build_people`. Raises `InputError` if there is no such
    folder, for a missing file (which, in all forms, and where to get it), or one of another format.
    """
    if name not in BENCHMARKS:
        if not (folder := Path(root) / "sources" / name).is_dir():
            choice = f"choose one of {', '.join(BENCHMARKS)}, or put one folder per person into {folder}"
            raise InputError(f"Unknown benchmark {name!r}; {choice}.")
        return build_people(folder)
    card = BENCHMARKS[name]
    folder = card.folder(root)
    if card.missing(root):
        forms = [f"{' or '.join(each.missing(folder)[0])} from {each.owner or card.owner}" for each in card.formats]
        read = {file for each in card.formats for names in each.files for file in names}
        packed = sorted({path.name for path in folder.glob("*") if path.suffix.lower() in _PACKED} - read)
        do = f"Unpack {', '.join(packed)} there." if packed else "Put it there."
        raise InputError(f"Benchmark {name}: {'; or '.join(forms)} not found in {folder}. {do}")
    complete = next(each for each in card.formats if not each.missing(folder))
    return replace(complete.build(folder) if complete.aligned else complete.build(folder, align), name=name)


def inventory(root: str | Path) -> dict[str, str]:
    """A line on the state of every benchmark above, then of those that were built otherwise."""
    built = sorted(path.name for path in (Path(root) / "benchmarks").glob("*") if path.is_dir())
    titles = {name: f"{name} ({card.title})" for name, card in BENCHMARKS.items()}
    return {name: f"{titles.get(name, name)}: {_state(name, root)}" for name in dict.fromkeys([*BENCHMARKS, *built])}


def _state(name: str, root: str | Path) -> str:
    if not benchmark_folder(name, root).is_dir():
        card = BENCHMARKS[name]
        missing = ", ".join(names[0] for names in card.missing(root))
        return f"missing {missing} in {card.folder(root)}" if missing else "source present, not built"
    try:
        benchmark = load_benchmark(name, root)
    except InputError as error:
        return str(error)
    words = {"people": "people at most" if benchmark.people_inferred else "people", "impostor": "impostor pairs"}
    return "built, " + ", ".join(f"{count:,} {words.get(what, what)}" for what, count in benchmark.summary().items())
