"""`params.yaml` as frozen dataclasses, one a block; wrong keys, values and combinations are refused when it is read."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from prefiqs.errors import ConfigError
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.faces.degrade import DEGRADATIONS
from prefiqs.methods.registry import METHODS
from prefiqs.pipeline.identity import MethodId, Option
from prefiqs.pruning.spec import PruningSpec

block = dataclass(frozen=True, config=ConfigDict(extra="forbid"))
T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if repeated := [value for i, value in enumerate(values) if value in values[:i]]:
        raise ValueError(f"{repeated[0]!r} is listed twice")
    return values


# Names become parts of paths and of DVC's stage names.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
Names = Annotated[list[Name], AfterValidator(_distinct)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Shares = Annotated[list[Share], Field(min_length=1), AfterValidator(_distinct)]


@block
class CrossQuality:
    """A benchmark made by degrading the faces of another."""

    name: Name
    source: Name


@block
class Benchmarks:
    """All benchmarks: `photos` as their owners distribute them, `cross_quality` made of these; `paired` have pairs."""

    all: Names
    paired: Names
    photos: Names
    cross_quality: list[CrossQuality]

    @model_validator(mode="after")
    def _consistent(self) -> Benchmarks:
        made = [c.name for c in self.cross_quality]
        if sorted(self.all) != sorted([*self.photos, *made]):  # DVC cannot join lists, so all are listed
            raise ValueError(f"`all` must list exactly {', '.join([*self.photos, *made])}")
        if missing := {c.source for c in self.cross_quality} - set(self.photos):
            raise ValueError(f"the source {missing.pop()} is not among `photos`")
        return self


@block
class Models:
    """Quality estimators (pruned; they also verify, same-model) and the verifiers of the cross-model protocol."""

    quality: Annotated[Names, Field(min_length=1)]
    cross: Names


@block
class Align:
    """Photo benchmarks: how many people are used (None: all), and the benchmarks whose faces may be drawn."""

    people: Annotated[int, Field(ge=2)] | None
    show_faces: Names


@block
class Folds:
    """Balanced folds of the verification protocol."""

    count: Annotated[int, Field(ge=2)]
    pairs_per_fold: Count
    seed: Seed


@block
class Degrade:
    """Degraded copies; `strongest` is the strength at severity 1 by kind."""

    copies: Annotated[int, Field(ge=2)]
    seed: Seed
    impostors: Count
    strongest: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _known_kinds(self) -> Degrade:
        if unknown := self.strongest.keys() - set(DEGRADATIONS):
            raise ValueError(f"unknown degradation {min(unknown)!r}; choose among {', '.join(DEGRADATIONS)}")
        return self


@block
class Prune:
    """The grid of pruned networks."""

    granularities: Annotated[
        list[Literal["unstructured", "structured"]], Field(min_length=1), AfterValidator(_distinct)
    ]
    criteria: Annotated[list[Literal["l1", "random"]], Field(min_length=1), AfterValidator(_distinct)]
    ratios: Shares
    seed: Seed

    @property
    def specs(self) -> list[PruningSpec]:
        """Every specification of the grid: granularity, criterion, ratio, in this order."""
        seeds = {"l1": 0, "random": self.seed}
        grid = product(self.granularities, self.criteria, self.ratios)
        return [PruningSpec(ratio, granularity, criterion, seeds[criterion]) for granularity, criterion, ratio in grid]

    @property
    def main(self) -> list[PruningSpec]:
        """PreFIQs as published, unstructured L1, at every ratio; of a grid without it, the first strategy."""
        strategies = [(s.granularity, s.criterion) for s in self.specs]
        chosen = ("unstructured", "l1") if ("unstructured", "l1") in strategies else strategies[0]
        return [s for s in self.specs if (s.granularity, s.criterion) == chosen]

    def nearest(self, ratio: float) -> PruningSpec:
        """The specification of `main` whose ratio is nearest to `ratio`."""
        return min(self.main, key=lambda spec: abs(spec.ratio - ratio))


@block
class Embed:
    """How embeddings are computed; changes their speed, not their value."""

    batch_size: Count | None
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
    engine: Literal["local", "ray"]


@block
class Method:
    """A method, the network it runs on, and its options."""

    method: str
    model: Name
    options: dict[str, Option]

    @property
    def id(self) -> MethodId:
        """The identity under which its scores are kept."""
        return MethodId.of(self.method, self.model, **self.options)


@block
class Methods:
    """The methods that PreFIQs and the embedding norm are compared with: `compared` are names of `known`.

    A method that has to be calibrated is on `calibration_faces` faces, evenly spread over `calibrated_on`; what a
    method costs is measured on the first `timed_faces` of it.
    """

    compared: Names
    calibrated_on: Name
    calibration_faces: Count
    timed_faces: Count
    known: dict[Name, Method]

    @model_validator(mode="after")
    def _known_and_distinct(self) -> Methods:
        if unknown := sorted(set(self.compared) - self.known.keys()):
            raise ValueError(f"`compared` names {unknown[0]!r}, which is not in `known`")
        for name, entry in self.known.items():
            if entry.method not in METHODS:
                raise ValueError(f"unknown method {entry.method!r} of {name!r}; choose among {', '.join(METHODS)}")
        return self

    @property
    def entries(self) -> dict[str, Method]:
        """The compared methods by name, in the order of `compared`."""
        return {name: self.known[name] for name in self.compared}


@block
class Transformer:
    """ViTNT-FIQA and EX-FIQA block by block, on networks with a quality token.

    `first_depth`: the fewest blocks that ViTNT-FIQA reads. `exits`: whose attention maps are drawn, those a network
    has, on the `faces` lowest- and as many highest-scored faces.
    """

    benchmarks: Names
    models: Names
    first_depth: Annotated[int, Field(ge=2)]
    exits: Annotated[list[Count], Field(min_length=1)]
    faces: Count


@block
class Jacobian:
    """The validation of the first-order approximation."""

    benchmarks: Names
    ratio: Share
    ablation_images: Count


@block
class Verification:
    """The 10-fold protocol of Table 4; its ratios are those of `ratios` that were pruned, all if none was."""

    benchmarks: Names
    ratios: Annotated[list[Share], AfterValidator(_distinct)]
    thresholds: Literal["grid", "exact"]
    flip_test: Names

    def specs(self, prune: Prune) -> list[PruningSpec]:
        """The pruned networks of Table 4."""
        return [s for s in prune.specs if s.ratio in self.ratios] or prune.specs


@block
class Edc:
    """Error-versus-discard curves and their areas."""

    fmr: Shares
    threshold: Literal["recomputed", "fixed"]
    rule: Literal["nearest", "conservative"]
    step: Share
    limit: Share
    random_orders: Count
    resamples: Count
    resampled: Literal["pairs", "people"]
    seed: Seed

    @model_validator(mode="after")
    def _grid_reaches_the_limit(self) -> Edc:
        steps = self.limit / self.step
        if steps < 1 or abs(steps - round(steps)) > 1e-9:
            raise ValueError(f"`limit` ({self.limit:g}) must be a multiple of `step` ({self.step:g})")
        return self

    @property
    def protocol(self) -> EdcProtocol:
        """What decides about curves and areas."""
        return EdcProtocol(tuple(self.fmr), self.threshold, self.rule, self.step, self.limit)


@block
class External:
    """What is known of methods whose scores come as files. Others are unsupervised, and higher is better."""

    lower_is_better: list[str]
    supervised: list[str]
    semi_supervised: list[str]


@block
class Ablation:
    """The questions of a reviewer, on benchmarks where their extra forward passes are wanted; `passes`: of SER-FIQ."""

    benchmarks: Names
    ratios: Shares
    seeds: Count
    fmr: Shares
    passes: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1), AfterValidator(_distinct)]


@block
class Precision:
    """Reduced precisions that are compared with float32, on benchmarks where the extra passes are wanted."""

    benchmarks: Names
    kinds: Annotated[list[Literal["tf32", "bf16", "fp16"]], Field(min_length=1), AfterValidator(_distinct)]
    ratios: Shares


@block
class Price:
    """Which layers are pruned, and what that costs, on benchmarks where the extra passes are wanted."""

    benchmarks: Names
    ratios: Shares


@block
class Report:
    """What the report says and shows.

    `note` stands at its top. `not_comparable`: why no number of this run can be laid beside a printed one, if so.
    `claims`: benchmarks on which the paper's claims are judged. `labelled`: those with a severity or quality label
    (Fig. 2). PreFIQs in pictures and in Table 5 has `gallery_ratio`.
    """

    note: str
    not_comparable: str
    claims: Names
    labelled: Names
    gallery_ratio: Share


@block
class Params:
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
    price: Price
    report: Report

    @model_validator(mode="after")
    def _names_agree(self) -> Params:
        everything, paired = self.benchmarks.all, self.benchmarks.paired
        subsets: list[tuple[str, Iterable[str], list[str], str]] = [
            ("benchmarks.paired", paired, everything, "benchmarks.all"),
            ("align.show_faces", self.align.show_faces, everything, "benchmarks.all"),
            ("methods.calibrated_on", [self.methods.calibrated_on], everything, "benchmarks.all"),
            ("transformer.benchmarks", self.transformer.benchmarks, paired, "benchmarks.paired"),
            ("jacobian.benchmarks", self.jacobian.benchmarks, everything, "benchmarks.all"),
            ("verification.benchmarks", self.verification.benchmarks, paired, "benchmarks.paired"),
            ("verification.flip_test", self.verification.flip_test, everything, "benchmarks.all"),
            ("ablation.benchmarks", self.ablation.benchmarks, paired, "benchmarks.paired"),
            ("precision.benchmarks", self.precision.benchmarks, paired, "benchmarks.paired"),
            ("price.benchmarks", self.price.benchmarks, paired, "benchmarks.paired"),
            ("report.claims", self.report.claims, paired, "benchmarks.paired"),
            ("report.labelled", self.report.labelled, self.jacobian.benchmarks, "jacobian.benchmarks"),
        ]
        for key, names, allowed, where in subsets:
            if unknown := [name for name in names if name not in allowed]:
                raise ValueError(f"`{key}` names {unknown[0]!r}, which is not in `{where}`")
        return self

    @model_validator(mode="after")
    def _sources_are_flipped_too(self) -> Params:
        flipped = self.verification.flip_test
        for made in self.benchmarks.cross_quality:
            if made.name in flipped and made.source not in flipped:
                raise ValueError(f"`verification.flip_test` names {made.name}, but not its source {made.source}")
        return self

    @model_validator(mode="after")
    def _every_method_once(self) -> Params:
        for model in self.models.quality:
            seen = {MethodId.of("norm", model): "the embedding norm"}
            seen |= {MethodId.of_spec(model, spec): f"PreFIQs, {spec.label}" for spec in self.prune.specs}
            for name, entry in self.methods.entries.items():
                if entry.id in seen:
                    raise ValueError(f"`methods.compared`: {name!r} is the same as {seen[entry.id]}")
                seen[entry.id] = name
        return self

    @property
    def usual(self) -> PruningSpec:
        """PreFIQs in pictures and in Table 5."""
        return self.prune.nearest(self.report.gallery_ratio)

    def source_of(self, benchmark: str) -> str | None:
        """The benchmark whose faces a cross-quality benchmark degrades; None for a photo benchmark."""
        return {c.name: c.source for c in self.benchmarks.cross_quality}.get(benchmark)


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check `params.yaml`; `ConfigError` names the file, the key and what is wrong."""
    return as_params(read_yaml(path), path)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file of blocks, unchecked."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"File not found: {path}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # also: not UTF-8, no such date, nested too deep
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of blocks, such as `prune: ...`.")
    return content


def overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested mappings with the values of `overlay` in place; lists are replaced, not joined."""
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


def as_params(content: Mapping[str, Any], source: str | Path = "params.yaml") -> Params:
    """Check the content of a YAML file, `source`, against `Params`."""
    return as_blocks(content, source, Params)


def as_blocks(content: Mapping[str, Any], source: str | Path, kind: type[T]) -> T:
    """Check the content of a YAML file against a dataclass of blocks."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass of blocks
    if wrong := [key for key in content if key not in names] or [name for name in names if name not in content]:
        problem = "unknown block" if wrong[0] in content else "missing block"
        raise ConfigError(f"{source}: {problem} `{wrong[0]}`; the blocks are {', '.join(names)}.")
    try:
        return kind(**content)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        key = ".".join(map(str, first["loc"]))
        if not key:
            raise ConfigError(f"{source}: {reason}.") from error
        value = first["input"]
        # Shortened: a few lines of YAML that refer to each other can stand for gigabytes.
        got = reprlib.repr(value.kwargs if isinstance(value, ArgsKwargs) else value)[:200]
        raise ConfigError(f"{source}: `{key}` cannot be {got}: {reason}.") from error
