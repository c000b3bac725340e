"""Which benchmarks are built, which can be built, and what the others lack."""

from dataclasses import dataclass
from pathlib import Path

from prefiqs.datasets.benchmark import benchmark_folder, load_benchmark
from prefiqs.datasets.pairs import INFERRED
from prefiqs.datasets.registry import BENCHMARKS
from prefiqs.errors import InputError


@dataclass(frozen=True)
class BenchmarkState:
    """State of a benchmark.

    Attributes:
        name: such as `lfw`.
        title: in full; empty for benchmarks that the pipeline made of others.
        counts: images, people and so on of a benchmark that is built; None if it is not.
        problem: why it cannot be loaded or built; empty if it can.
    """

    name: str
    title: str
    counts: dict[str, int] | None
    problem: str

    def __str__(self) -> str:
        """One line."""
        name = f"{self.name} ({self.title})" if self.title else self.name
        if self.problem:
            return f"{name}: {self.problem}"
        if self.counts is None:
            return f"{name}: source present, not built"
        return f"{name}: built, " + ", ".join(f"{number:,} {what}" for what, number in self.counts.items())


def inventory(root: str | Path) -> list[BenchmarkState]:
    """The state of every benchmark of the registry, then of those that were built otherwise. Loads no images."""
    built = sorted(path.name for path in (Path(root) / "benchmarks").glob("*") if path.is_dir())
    return [_state(name, Path(root)) for name in [*BENCHMARKS, *(name for name in built if name not in BENCHMARKS)]]


def _state(name: str, root: Path) -> BenchmarkState:
    card = BENCHMARKS.get(name)
    title = card.title if card else ""
    if benchmark_folder(name, root).is_dir():
        try:
            benchmark = load_benchmark(name, root)
        except InputError as error:
            return BenchmarkState(name, title, None, str(error))
        counts = benchmark.summary()
        inferred = any(subject.startswith(INFERRED) for subject in benchmark.subjects)
        names = {
            "people": "people at most" if inferred else "people",
            "genuine": "genuine",
            "impostor": "impostor pairs",
        }
        return BenchmarkState(name, title, {names.get(what, what): n for what, n in counts.items()}, "")
    assert card is not None  # what is not in the registry is here because its folder is
    missing = card.missing(root)
    problem = f"missing {', '.join(names[0] for names in missing)} in {card.folder(root)}" if missing else ""
    return BenchmarkState(name, title, None, problem)
