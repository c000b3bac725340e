"""`params.yaml`, which explains its keys; wrong keys, values and combinations are refused when it is read.

And the stages of dvc.yaml, each with the items that the parameters give it.
"""

import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from itertools import product
from operator import attrgetter, getitem
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from prefiqs.errors import ConfigError
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.faces.degrade import DEGRADATIONS
from prefiqs.methods.registry import METHODS
from prefiqs.pipeline.identity import MethodId, Option
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.paper.printed import letters_of

RESULTS = "data/results/"
_REFERENCE = re.compile(r"\$\{([^}]+)\}")

T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if repeated := [value for i, value in enumerate(values) if value in values[:i]]:
        raise ValueError(f"{repeated[0]!r} is listed twice")
    return values


def _one_of(names: Iterable[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"choose one of {', '.join(names)}")
        return name

    return AfterValidator(check)


def _short(number: float) -> float:
    if number != float(f"{number:g}"):  # as keys, paths and tables show it
        raise ValueError("give at most six significant digits")
    return number


Distinct = Annotated[list[T], AfterValidator(_distinct)]
Some = Annotated[list[T], Field(min_length=1), AfterValidator(_distinct)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]  # it becomes part of paths and stages' names
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]  # DVC looks it up by a path with dots
Names = Distinct[Name]
Count = Annotated[int, Field(ge=1)]
Several = Annotated[int, Field(ge=2)]
Seed = Annotated[int, Field(ge=0)]
Short = Annotated[float, Field(ge=0), AfterValidator(_short)]
Share = Annotated[Short, Field(gt=0, lt=1)]
Shares = Some[Share]
Degradation = Annotated[str, _one_of(DEGRADATIONS)]


class Block(BaseModel):
    """A block of a YAML file; other keys than its fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read and check a YAML file; see `checked`."""
        return cls.checked(read_yaml(path), path)

    @classmethod
    def checked(cls, content: Mapping[str, Any], source: str | Path = "params.yaml") -> Self:
        """Check the content of a YAML file; `ConfigError` names `source`, the key and what is wrong."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"] if part != "[key]")  # which pydantic adds
            if problem := {"extra_forbidden": "unknown", "missing": "missing"}.get(first["type"]):
                raise ConfigError(f"{source}: {problem} {'key' if '.' in key else 'block'} `{key}`.") from error
            reason = first["msg"].removeprefix("Value error, ")
            # Shortened: a few lines of YAML that refer to each other can stand for gigabytes.
            wrong = f"`{key}` cannot be {reprlib.repr(first['input'])[:200]}: " if key else ""
            raise ConfigError(f"{source}: {wrong}{reason}.") from error


class CrossQuality(Block):
    name: Name
    source: Name


class PairSet(CrossQuality):
    """Other pairs of the faces of `source`, see `datasets.pairs.with_all_genuine_pairs`."""

    across: Literal["source", "pose", "degradation"]
    impostors: Count
    seed: Seed


class Benchmarks(Block):
    all: Distinct[Key]
    paired: Some[Name]
    photos: Names
    cross_quality: list[CrossQuality]
    pair_sets: list[PairSet]

    @property
    def names(self) -> list[str]:
        """All benchmarks and pair sets."""
        return [*self.all, *(made.name for made in self.pair_sets)]

    @property
    def pair_lists(self) -> list[str]:
        """Everything with EDC curves: the benchmarks with pairs, and the pair sets."""
        return [*self.paired, *(made.name for made in self.pair_sets)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        listed = [*self.photos, *(made.name for made in self.cross_quality)]
        if sorted(self.all) != sorted(listed):  # DVC cannot join lists, so all are listed
            raise ValueError(f"`all` must list exactly {', '.join(listed)}")
        if missing := {made.source for made in self.cross_quality} - set(self.photos):
            raise ValueError(f"the source {missing.pop()} is not among `photos`")
        if missing := {made.source for made in self.pair_sets} - set(self.paired):
            raise ValueError(f"the source {missing.pop()} of a pair set is not among `paired`")
        if unknown := [
            made.source for made in self.pair_sets if made.across == "pose" and made.source not in self.photos
        ]:
            raise ValueError(f"a pair set is across `pose`, which the degraded faces of {unknown[0]} do not have")
        spelled = dict[str, str]()
        for name in _distinct(self.names):
            if (other := spelled.setdefault(letters_of(name), name)) != name:
                raise ValueError(f"{other!r} and {name!r} differ in punctuation or case only, so tables would mix them")
        return self


class Models(Block):
    quality: Some[Name]
    cross: Names


class Align(Block):
    people: Several | None
    show_faces: dict[Name, bool]


class Folds(Block):
    count: Several
    pairs_per_fold: Count
    seed: Seed


class Degrade(Block):
    copies: Several
    seed: Seed
    impostors: Count
    strongest: Annotated[dict[Degradation, Annotated[float, Field(gt=0)]], Field(min_length=1)]


class Prune(Block):
    """The grid of pruned networks."""

    granularities: Some[Literal["unstructured", "structured"]]
    criteria: Some[Literal["l1", "random"]]
    ratios: Shares
    seed: Seed
    strategies: dict[
        Name, Some[Literal["unstructured-l1", "unstructured-random", "structured-l1", "structured-random"]]
    ]

    def specs_of(self, model: str) -> list[PruningSpec]:
        """How an estimator is pruned: with the whole grid, or with `main` and what `strategies` lists for it."""
        kept = self.strategies.get(model)
        return [s for s in self.specs if kept is None or s in self.main or f"{s.granularity}-{s.criterion}" in kept]

    @property
    def specs(self) -> list[PruningSpec]:
        """Every specification of the grid: granularity, criterion, ratio, in this order."""
        seeds = {"l1": 0, "random": self.seed}
        grid = product(self.granularities, self.criteria, self.ratios)
        return [PruningSpec(ratio, granularity, criterion, seeds[criterion]) for granularity, criterion, ratio in grid]

    @property
    def main(self) -> list[PruningSpec]:
        """PreFIQs as published, unstructured L1, at every ratio; of a grid without it, the first strategy."""
        published = [spec for spec in self.specs if spec == PruningSpec(spec.ratio)]
        return published or self.specs[: len(self.ratios)]


class Embed(Block):
    batch_size: Count | None
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
    engine: Literal["local", "ray"]


class Method(Block):
    """A method, the network it runs on, and its options."""

    method: Annotated[str, _one_of(METHODS)]
    model: Name
    options: dict[str, Option]

    @property
    def id(self) -> MethodId:
        """The identity under which its scores are kept."""
        return MethodId.of(self.method, self.model, **self.options)


class Methods(Block):
    compared: Names
    calibrated_on: Name
    calibration_faces: Count
    timed_faces: Count
    known: dict[Key, Method]

    @model_validator(mode="after")
    def _all_known(self) -> Self:
        if unknown := sorted(set(self.compared) - self.known.keys()):
            raise ValueError(f"`compared` names {unknown[0]!r}, which is not in `known`")
        return self

    @property
    def entries(self) -> dict[str, Method]:
        """The compared methods by name, in the order of `compared`."""
        return {name: self.known[name] for name in self.compared}


class Transformer(Block):
    benchmarks: Names
    models: Names
    first_depth: Several
    exits: Annotated[list[Count], Field(min_length=1)]
    faces: Count


class Jacobian(Block):
    benchmarks: Names
    ratio: Share
    ablation_images: Count


class Verification(Block):
    """The 10-fold protocol of Table 4; its ratios are those of `ratios` that were pruned, all if none was."""

    benchmarks: Names
    ratios: Distinct[Share]
    thresholds: Literal["grid", "exact"]
    flip_test: Names

    def specs(self, pruned: list[PruningSpec]) -> list[PruningSpec]:
        """The specifications of Table 4, out of those of an estimator."""
        return [spec for spec in pruned if spec.ratio in self.ratios] or pruned


class Edc(Block):
    fmr: Shares
    threshold: Literal["recomputed", "fixed"]
    rule: Literal["nearest", "conservative", "cr-fiqa"]
    step: Share
    limit: Share
    random_orders: Count
    resamples: Count
    resampled: Literal["pairs", "people"]
    seed: Seed

    @model_validator(mode="after")
    def _grid_reaches_the_limit(self) -> Self:
        steps = self.limit / self.step
        if steps < 1 or abs(steps - round(steps)) > 1e-9:
            raise ValueError(f"`limit` ({self.limit:g}) must be a multiple of `step` ({self.step:g})")
        return self

    @property
    def protocol(self) -> EdcProtocol:
        """What decides about curves and areas."""
        return EdcProtocol(tuple(self.fmr), self.threshold, self.rule, self.step, self.limit)

    @property
    def at_first_fmr(self) -> EdcProtocol:
        """The same for the first FMR alone."""
        return replace(self.protocol, fmrs=(self.fmr[0],))


class External(Block):
    lower_is_better: list[str]
    supervised: list[str]
    semi_supervised: list[str]

    @model_validator(mode="after")
    def _one_supervision_each(self) -> Self:
        if both := sorted(set(self.supervised) & set(self.semi_supervised)):
            raise ValueError(f"{both[0]!r} is both in `supervised` and in `semi_supervised`")
        return self


class Extra(Block):
    """A study beyond those of the paper."""

    benchmarks: Names
    ratios: Shares


class Ablation(Extra):
    seeds: Count
    fmr: Shares
    passes: Some[Several]


class Candidates(Extra):
    """The study of training-free scores; its ratios are those of `ratios` that were pruned, and the usual one."""

    exponents: Some[Short]


class Precision(Extra):
    kinds: Some[Literal["tf32", "bf16", "fp16"]]


class Report(Block):
    note: str
    not_comparable: str
    notebooks: bool
    claims: Names
    labelled: Names
    gallery_ratio: Share


# What the names of a key must be among.
_AMONG = {
    "benchmarks.all": (
        "benchmarks.paired", "methods.calibrated_on", "jacobian.benchmarks", "verification.benchmarks",
        "verification.flip_test",
    ),
    "benchmarks.paired": (
        "transformer.benchmarks", "ablation.benchmarks", "precision.benchmarks", "candidates.benchmarks",
    ),
    "jacobian.benchmarks": ("report.labelled",),
}  # fmt: skip


class Params(Block):
    """All of `params.yaml`. `run` names the folder of `reports/` that shows the results."""

    run: Name
    benchmarks: Benchmarks
    models: Models
    align: Align
    folds: Folds
    degrade: Degrade
    prune: Prune
    embed: Embed
    methods: Methods
    transformer: Transformer
    jacobian: Jacobian
    verification: Verification
    edc: Edc
    external: External
    ablation: Ablation
    precision: Precision
    candidates: Candidates
    report: Report

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for where, key in ((where, key) for where, keys in _AMONG.items() for key in keys):
            names, allowed = attrgetter(key)(self), attrgetter(where)(self)
            if unknown := [name for name in ([names] if isinstance(names, str) else names) if name not in allowed]:
                raise ValueError(f"`{key}` names {unknown[0]!r}, which is not in `{where}`")
        if unknown := [name for name in self.report.claims if name not in self.benchmarks.pair_lists]:
            raise ValueError(
                f"`report.claims` names {unknown[0]!r}, which is not in `benchmarks.paired` or `pair_sets`"
            )
        flipped = self.verification.flip_test
        for made in self.benchmarks.cross_quality:
            if made.name in flipped and made.source not in flipped:
                raise ValueError(f"`verification.flip_test` names {made.name}, but not its source {made.source}")
        return self

    @model_validator(mode="after")
    def _stages_find_what_they_need(self) -> Self:
        if unsaid := [name for name in self.benchmarks.all if name not in self.align.show_faces]:
            raise ValueError(f"`align.show_faces` must say whether faces of {unsaid[0]!r} may be shown: true or false")
        if twice := [name for name in self.models.cross if name in self.models.quality]:
            raise ValueError(f"`models.cross` names {twice[0]!r}, which verifies as one of `models.quality` already")
        verified = [*self.benchmarks.paired, *self.report.labelled]
        if alone := [name for name in self.jacobian.benchmarks if name not in verified]:
            raise ValueError(
                f"`jacobian.benchmarks` names {alone[0]!r}, which is not in `benchmarks.paired` or `report.labelled`"
            )
        if self.align.people and self.align.people < (fewest := 2 * self.folds.count):
            raise ValueError(f"`align.people` must be null or at least {fewest}: two people in each of the `folds`")
        if self.precision.benchmarks and "tf32" in self.precision.kinds and self.embed.device == "cpu":
            raise ValueError("`precision.kinds` names 'tf32', which needs a GPU, but `embed.device` is 'cpu'")
        grid = dict.fromkeys(f"{spec.granularity}-{spec.criterion}" for spec in self.prune.specs)
        for model in self.models.quality:
            if grid.keys().isdisjoint(self.prune.strategies.get(model, grid)):
                raise ValueError(f"`prune.strategies.{model}` lists none of the grid: {', '.join(grid)}")
        return self

    @model_validator(mode="after")
    def _results_have_names_of_their_own(self) -> Self:
        networks = dict.fromkeys([*self.models.quality, *self.models.cross, *self.transformer.models])
        for names in (networks, self.methods.compared):
            named = dict[str, str]()
            for benchmark, name in product(self.benchmarks.names, names):
                key, item = f"{benchmark}-{name}", f"{name!r} on {benchmark!r}"
                if key in named:
                    raise ValueError(
                        f"the results of {named[key]} and {item} would both be {key!r}; rename one of them"
                    )
                named[key] = item
        return self

    @property
    def usual(self) -> PruningSpec:
        """PreFIQs in pictures and in Table 5."""
        return min(self.prune.main, key=lambda spec: abs(spec.ratio - self.report.gallery_ratio))

    def faces_of(self, name: str) -> str:
        """The benchmark whose faces a pair set compares; for a benchmark, itself."""
        return {made.name: made.source for made in self.benchmarks.pair_sets}.get(name, name)

    def most_pairs_of(self, benchmark: str) -> str:
        """The largest pair set of a benchmark's faces, with more pairs than the benchmark; else the benchmark."""
        made = [made for made in self.benchmarks.pair_sets if made.source == benchmark]
        return max(made, key=attrgetter("impostors")).name if made else benchmark

    def source_of(self, benchmark: str) -> str | None:
        """The benchmark whose faces a cross-quality benchmark degrades; None for a photo benchmark."""
        return {made.name: made.source for made in self.benchmarks.cross_quality}.get(benchmark)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file of blocks, unchecked; `ConfigError` if it is not valid, or has a key twice."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"File not found: {path}.")
    content = parse_yaml(path.read_bytes(), path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping of blocks, such as `prune: ...`.")
    return content


def parse_yaml(text: str | bytes, source: str | Path) -> Any:
    """The content of YAML, read as by DVC; `ConfigError` names `source` if it is not valid, or has a key twice."""
    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, ValueError, RecursionError) as error:  # also: not UTF-8, no such date, nested too deep
        reason = " ".join(str(error).partition("\n\n")[0].split())  # without hints at options of the library
        raise ConfigError(f"{source} is not valid YAML: {reason}.") from error


def overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested mappings with the values of `overlay` in place; lists are replaced, not joined."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


class StageItem(NamedTuple):
    """One run of a stage, and the folder below `data/results` that it writes, if it shows anything."""

    stage: str
    results: str | None


def stage_items(root: Path, content: Mapping[str, Any] | None = None) -> list[StageItem]:
    """Every stage of ROOT/dvc.yaml with every item that the parameters name, in the order of the file.

    `content` is that of a params.yaml; by default, ROOT/params.yaml is read.
    """
    params = read_yaml(root / "params.yaml") if content is None else content
    stages = read_yaml(root / "dvc.yaml")["stages"]
    return [item for name, stage in stages.items() for item in _items(name, stage, params)]


def _items(name: str, stage: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[StageItem]:
    matrix = {key: _value(values, params) for key, values in stage.get("matrix", {}).items()}
    results = next((out for out in stage["outs"] if str(out).startswith(RESULTS)), None)
    for combination in product(*matrix.values()):
        item = dict(zip(matrix, combination, strict=True))
        yield StageItem(name, results and _filled(results, {**params, "item": item}))


def _filled(path: str, params: Mapping[str, Any]) -> str:
    return _REFERENCE.sub(lambda reference: str(_value(reference[0], params)), path)


def _value(reference: Any, params: Mapping[str, Any]) -> Any:
    """What stands in the parameters at "${key.key}"; anything but a reference stands for itself."""
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    return reduce(getitem, found[1].split("."), params) if found else reference
