"""`params.yaml` as frozen dataclasses: one block a class, wrong keys and values refused with one sentence."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from prefiqs.errors import ConfigError

_STRICT = ConfigDict(extra="forbid")
block = dataclass(frozen=True, config=_STRICT)

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Blocks = TypeVar("Blocks")


@block
class CrossQuality:
    """A benchmark made by degrading the faces of another."""

    name: str
    source: str


@block
class Benchmarks:
    """All benchmarks; which of them have pairs to compare, which are photos, which degraded faces of another."""

    all: list[str]
    paired: list[str]
    photos: list[str]
    cross_quality: list[CrossQuality]


@block
class Models:
    """Quality estimators, and the verifiers of the cross-model protocol."""

    quality: Annotated[list[str], Field(min_length=1)]
    cross: list[str]


@block
class Align:
    """The photo benchmarks: how many people are used (None: all), and whether their faces are drawn in the reports."""

    people: Annotated[int, Field(ge=2)] | None
    show_faces: bool


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


@block
class Prune:
    """The grid of pruned networks."""

    granularities: list[Literal["unstructured", "structured"]]
    criteria: list[Literal["l1", "random"]]
    ratios: Annotated[list[Share], Field(min_length=1)]
    seed: Seed


@block
class Embed:
    """How embeddings are computed; changes their speed, not their value."""

    batch_size: Count | None
    device: str
    engine: Literal["local", "ray"]


@block
class Method:
    """A method of `prefiqs.methods.registry.METHODS`, the network it runs on, and its options."""

    method: str
    model: str
    options: dict[str, bool | int | float | str | list[int] | None]


@block
class Methods:
    """The methods that PreFIQs and the embedding norm are compared with: `compared` are names of `known`.

    A method that has to be calibrated is on `calibration_faces` faces, evenly spread over `calibrated_on`; what a
    method costs is measured on the first `timed_faces` of it.
    """

    compared: list[str]
    calibrated_on: str
    calibration_faces: Count
    timed_faces: Count
    known: dict[str, Method]

    @model_validator(mode="after")
    def _all_known(self) -> Methods:
        if unknown := sorted(set(self.compared) - self.known.keys()):
            raise ValueError(f"{', '.join(unknown)} of `compared` not in `known`")
        return self


@block
class Transformer:
    """ViTNT-FIQA and EX-FIQA block by block, on networks with a quality token.

    `first_depth`: the fewest blocks that ViTNT-FIQA reads. `exits`: whose attention maps are drawn, those a network
    has, on the `faces` lowest- and as many highest-scored faces.
    """

    benchmarks: list[str]
    models: list[str]
    first_depth: Annotated[int, Field(ge=2)]
    exits: Annotated[list[Count], Field(min_length=1)]
    faces: Count


@block
class Jacobian:
    """The validation of the first-order approximation."""

    benchmarks: list[str]
    ratio: Share
    ablation_images: Count


@block
class Verification:
    """The 10-fold protocol of Table 4; its ratios are those of `ratios` that were pruned, all if none was."""

    benchmarks: list[str]
    ratios: list[Share]
    thresholds: Literal["grid", "exact"]
    flip_test: list[str]


@block
class Edc:
    """Error-versus-discard curves and their areas."""

    fmr: Annotated[list[Share], Field(min_length=1)]
    threshold: Literal["recomputed", "fixed"]
    rule: Literal["nearest", "conservative"]
    step: Share
    limit: Share
    random_orders: Count
    resamples: Count
    resampled: Literal["pairs", "people"]
    seed: Seed


@block
class External:
    """What is known of methods whose scores come as files: all others are unsupervised, and higher is better."""

    lower_is_better: list[str]
    supervised: list[str]
    semi_supervised: list[str]


@block
class Ablation:
    """The questions of a reviewer, on benchmarks where their extra forward passes are wanted; `passes`: of SER-FIQ."""

    benchmarks: list[str]
    ratios: Annotated[list[Share], Field(min_length=1)]
    seeds: Count
    fmr: Annotated[list[Share], Field(min_length=1)]
    passes: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]


@block
class Precision:
    """Reduced precisions that are compared with float32, on benchmarks where the extra passes are wanted."""

    benchmarks: list[str]
    kinds: Annotated[list[Literal["tf32", "bf16", "fp16"]], Field(min_length=1)]
    ratios: Annotated[list[Share], Field(min_length=1)]


@block
class Price:
    """Which layers are pruned, and what that costs, on benchmarks where the extra passes are wanted."""

    benchmarks: list[str]
    ratios: Annotated[list[Share], Field(min_length=1)]


@block
class Report:
    """Where the rendered artefacts go and what they show; PreFIQs in pictures and Table 5 has `gallery_ratio`."""

    folder: str
    note: str
    claims: list[str]
    labelled: list[str]
    gallery_ratio: Share


@block
class Params:
    """All of `params.yaml`."""

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
    def _sources_are_flipped_too(self) -> Params:
        flipped = self.verification.flip_test
        for made in self.benchmarks.cross_quality:
            if made.name in flipped and made.source not in flipped:
                raise ValueError(f"{made.name} in `verification.flip_test` needs {made.source} there, its source")
        return self


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check `params.yaml`; `ConfigError` names the file, the key, what was expected and what came."""
    return read_blocks(path, Params)


def read_blocks(path: str | Path, kind: type[Blocks]) -> Blocks:
    """Read a YAML file of blocks into a dataclass of `block` dataclasses, as `load_params` does."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"Expected hyperparameters in {path}, got no such file; run from the root of the compendium.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # also: no UTF-8, no such date, nested too deep
        reason = " ".join(str(error).split())
        raise ConfigError(f"Expected YAML in {path}, got something that cannot be read: {reason}.") from error
    try:
        return kind(**content)
    except TypeError as error:
        raise ConfigError(f"Expected the blocks {', '.join(kind.__annotations__)} in {path}: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigError(f"Expected blocks of {path} that agree: {first['msg']}.") from error
        key = ".".join(map(str, first["loc"]))
        value = first["input"]
        # Shortened: a few lines of YAML that refer to each other can stand for gigabytes.
        got = reprlib.repr(value.kwargs if isinstance(value, ArgsKwargs) else value)[:200]
        raise ConfigError(f"Expected a usable value for `{key}` in {path}, got {got}: {first['msg']}.") from error


def table4_ratios(wanted: Iterable[float], pruned: list[float]) -> list[float]:
    """The ratios of Table 4: those of `wanted` that were pruned, or all that were if it is none of them."""
    return [r for r in pruned if r in set(wanted)] or pruned
