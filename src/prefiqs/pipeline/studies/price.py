"""What PreFIQs is worth below two forward passes: only some layers are pruned, and what comes before is shared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.embedding.shared_prefix import SharedEmbedder, shared_passes
from prefiqs.embedding.vectors import normalise
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.tables import areas_table, differences_table, random_table
from prefiqs.io.tables import write_table
from prefiqs.methods import prefiqs_fast
from prefiqs.methods.jacobian import jacobian_drift
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.params import Embed
from prefiqs.pipeline.run import Run
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.stages import network_stages
from prefiqs.reporting.figures.cost import pauc_by_passes
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

FAST_RATIO: float = signature(prefiqs_fast.scorer).parameters["ratio"].default
CHEAP = 1.05  # forward passes
PREFIQS, FAST, NORM = "PreFIQs", "prefiqs-fast", "norm"

ONE_STAGE, ONWARDS, MEAN, DERIVATIVE, WITH_NORM = (
    "one stage", "from a stage on", "mean over ρ", "derivative", "with the norm",
)  # fmt: skip
DIFFERENCES = [f"{name}{end}" for name in ("from PreFIQs", "from the norm") for end in ("", "_low", "_high")]
FORMULAS = {  # from the embedding e, the pruned one e_ρ, the drift D between both, and the derivative J
    "quality": "1 − D/2",
    "norm": "‖e‖",
    "norm-quality": "‖e‖·(1 − D/2)",
    "pruned-norm": "‖e_ρ‖",
    "projection": "e_ρ·ê",
    "jacobian": "−‖J·Δθ‖",
}


@dataclass(frozen=True)
class Candidate:
    """A score that could take the place of PreFIQs.

    Attributes:
        group: the idea behind it.
        score: how it is made, a key of `FORMULAS`.
        stage: the first stage of the network that is pruned; "" for none.
        onwards: whether all stages behind it are pruned, too.
        ratio: of the pruning; None for the mean over all ratios, and where nothing is pruned.
    """

    group: str
    score: str
    stage: str = ""
    onwards: bool = False
    ratio: float | None = None

    @property
    def key(self) -> str:
        """Different for different candidates of one network."""
        return f"{self.score},stage={self.stage},onwards={self.onwards},ratio={self.ratio}"

    @property
    def label(self) -> str:
        """What people read."""
        if not self.stage:
            return FORMULAS[self.score]
        ratio = "mean over ρ" if self.ratio is None else f"ρ = {self.ratio:g}"
        return f"{FORMULAS[self.score]}, {self.stage}{' …' * self.onwards}, {ratio}"


@dataclass(frozen=True, eq=False)
class Priced:
    """A candidate, the forward passes that a face costs (counted in multiply-adds), and the scores of n faces."""

    candidate: Candidate
    passes: float
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class PriceStudy:
    """Scores that need only a part of the network to be pruned, by their cost; pAUC·10³, lower is better.

    Attributes:
        table: one row a candidate, the smallest mean first: key, name (of PreFIQs, prefiqs-fast and the norm), group,
            score, stage, onwards, ratio, label, passes, pAUC by verifier, and their mean.
        areas: one row a candidate and verifier: as `table`, with pauc, its difference from PreFIQs (all layers, the
            usual ratio) and the 95 % interval of that, "from PreFIQs_low" and "from PreFIQs_high".
        chosen: the best candidate of at most `CHEAP` passes, the best of all, and prefiqs-fast, one row a verifier,
            with the differences from PreFIQs and from the norm.
        figure: pAUC over passes.
        ratios: of the pruning.
    """

    table: Table
    areas: pd.DataFrame
    chosen: Table
    figure: Figure
    ratios: list[float]

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        table, verifiers = self.table.frame, list(self.areas["verifier"].unique())
        keys = self.chosen.frame.drop_duplicates("choice").set_index("choice")["key"]
        rows = table.set_index("key")[["group", "label", "passes", *verifiers, "mean"]]
        named = table.set_index("name").loc[[PREFIQS, NORM], verifiers]
        return {choice: rows.loc[key].to_dict() for choice, key in keys.items()} | {"pauc": named.to_dict()}

    def write(self, folder: str | Path) -> None:
        """Write price and chosen (CSV, Markdown), areas.csv, price.png and numbers.json."""
        self.table.write(Path(folder) / "price")
        self.chosen.write(Path(folder) / "chosen")
        write_table(self.areas, Path(folder) / "areas.csv")
        save_figure(self.figure, Path(folder) / "price.png")
        write_numbers(self.numbers, folder)


def price_study(run: Run, benchmark: str, model: str) -> PriceStudy:
    """Prune each stage of a network, and each with all behind it, and compare every score that this gives."""
    edc, faces, usual = run.params.edc, run.benchmark(benchmark), run.params.report.gallery_ratio
    verifiers, protocol = run.verifiers(model), replace(edc.protocol, fmrs=edc.protocol.fmrs[:1])
    ratios = sorted({*run.params.price.ratios, usual, FAST_RATIO})
    network = load_model(model, device=run.params.embed.device)
    stages = network_stages(network)
    # Only faces that are compared with another have to be embedded; what the others score does not matter.
    used = np.unique(faces.pairs) if faces.templates is None else np.arange(len(faces.images))
    found = list(priced_candidates(network, stages, ratios, np.asarray(faces.images)[used], run.params.embed))
    scores = {item.candidate.key: np.zeros(len(faces.images), np.float32) for item in found}
    for item in found:
        scores[item.candidate.key][used] = item.scores

    first, *_, last = stages
    key_of = {
        PREFIQS: Candidate(ONWARDS, "quality", first, True, usual).key,
        FAST: Candidate(WITH_NORM, "projection", last, False, FAST_RATIO).key,
        NORM: Candidate(WITH_NORM, "norm").key,
    }
    comparison = run.comparison(benchmark, verifiers, scores)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)
    chance = random_table(comparison.random_orders(protocol, edc.random_orders))
    candidates = _candidates(found, {key: name for name, key in key_of.items()})
    pauc = areas_table(comparison.curves(protocol), protocol.limit)[["key", "verifier", "fmr", "pauc"]]
    areas = pauc.merge(_differences(resampled, key_of[PREFIQS], protocol.limit, "from PreFIQs"), how="left")
    areas = candidates.merge(areas, on="key")
    wide = candidates.join(pauc.pivot(index="key", columns="verifier", values="pauc")[verifiers], on="key")
    wide = wide.assign(mean=wide[verifiers].mean(axis=1)).sort_values("mean", ignore_index=True)

    choices = {
        f"At most {CHEAP:g} passes": wide[wide["passes"] <= CHEAP].iloc[0]["key"],
        "At any price": wide.iloc[0]["key"],
        FAST: key_of[FAST],
    }
    chosen = pd.DataFrame({"choice": [*choices], "key": [*choices.values()]}).merge(areas, on="key")
    chosen = chosen.merge(_differences(resampled, key_of[NORM], protocol.limit, "from the norm"), how="left")

    words = ", ".join(f"{row.verifier} {row.pauc_mean:.2f}" for row in chance.itertuples())
    about = f"Discard up to {protocol.limit:g}, threshold {protocol.threshold}. passes: forward passes of a face."
    drawn = f"95 % intervals, bootstrap over {edc.resampled}, {edc.resamples} resamples"
    return PriceStudy(
        table=Table(
            wide,
            f"What a partly pruned {model} is worth on {benchmark}, by its cost: pAUC·10³ at FMR {protocol.fmrs[0]:g}",
            dict.fromkeys([*verifiers, "mean"], "min"),
            dict.fromkeys([*verifiers, "mean"], 2) | {"passes": 3},
            f"{about} Random order: {words}.",
            hidden=["key", "group", "score", "stage", "onwards", "ratio"],
        ),
        areas=areas,
        chosen=Table(
            chosen[["choice", "key", "label", "passes", "verifier", "pauc", *DIFFERENCES]],
            "The best candidates and prefiqs-fast: pAUC·10³, and its differences from PreFIQs and from the norm",
            digits=dict.fromkeys(["pauc", *DIFFERENCES], 2) | {"passes": 3},
            notes=f"{about} In brackets: {drawn}.",
            hidden=["key"],
            intervals=["from PreFIQs", "from the norm"],
            blocks="choice",
        ),
        figure=_figure(areas, f"{benchmark}, {model} scores"),
        ratios=ratios,
    )


def priced_candidates(
    network: FaceModel,
    stages: Mapping[str, tuple[str, ...]],
    ratios: Sequence[float],
    images: np.ndarray,
    embed: Embed,
) -> Iterator[Priced]:
    """All candidates with the scores of n faces. stages: names of layers by stage, from the image to the embedding."""
    names = list(stages)
    for stage in names:
        pruned = _prunings(network, stages[stage], ratios)
        embedded = SharedEmbedder(network, pruned, embed.batch_size, embed.device)(images)
        yield from _of_drift(Candidate(ONE_STAGE, "quality", stage), network, pruned, ratios, embedded)
        if stage == names[-1]:
            yield from _of_norms(stage, shared_passes(network, pruned[:1]), ratios, embedded)
    for place, stage in enumerate(names[:-1]):
        pruned = _prunings(network, sum((stages[name] for name in names[place:]), ()), ratios)
        embedded = SharedEmbedder(network, pruned, embed.batch_size, embed.device)(images)
        yield from _of_drift(Candidate(ONWARDS, "quality", stage, True), network, pruned, ratios, embedded)
        if stage == names[-2]:
            # A derivative needs two more passes through each pruned layer, and one more through what follows it.
            passes = 1 + 2 * (shared_passes(network, pruned[:1]) - 1)
            derivative = np.asarray(jacobian_drift(network, pruned[0], images, device=embed.device))
            yield Priced(Candidate(DERIVATIVE, "jacobian", stage, True, ratios[0]), passes, -derivative)


def _prunings(network: FaceModel, layers: tuple[str, ...], ratios: Sequence[float]) -> list[FaceModel]:
    masks = select_masks(network, [PruningSpec(ratio, layers=layers) for ratio in ratios])
    return [apply_mask(network, mask) for mask in masks]


def _of_drift(
    first: Candidate,
    network: FaceModel,
    pruned: Sequence[FaceModel],
    ratios: Sequence[float],
    embedded: Sequence[np.ndarray],
) -> Iterator[Priced]:
    """Quality at each ratio, and from the mean drift over all of them. embedded: unpruned, then by ratio."""
    plain, *moved = embedded
    drifts = [drift(normalise(plain), normalise(e)) for e in moved]
    passes, passes_of_all = shared_passes(network, pruned[:1]), shared_passes(network, pruned)
    for ratio, distance in zip(ratios, drifts, strict=True):
        yield Priced(replace(first, ratio=ratio), passes, quality_from_drift(distance))
    quality = quality_from_drift(np.mean(drifts, axis=0))
    yield Priced(replace(first, group=MEAN), passes_of_all, quality)
    scaled = np.linalg.norm(plain, axis=1) * quality
    yield Priced(replace(first, group=WITH_NORM, score="norm-quality"), passes_of_all, scaled)


def _of_norms(stage: str, passes: float, ratios: Sequence[float], embedded: Sequence[np.ndarray]) -> Iterator[Priced]:
    """The norm, and scores of drift and norm at each ratio, when the last stage alone is pruned."""
    plain, *moved = embedded
    norm, directions = np.linalg.norm(plain, axis=1), normalise(plain)
    yield Priced(Candidate(WITH_NORM, "norm"), 1.0, norm)
    for ratio, e in zip(ratios, moved, strict=True):
        quality = quality_from_drift(drift(directions, normalise(e)))
        scores = {
            "norm-quality": norm * quality,
            "pruned-norm": np.linalg.norm(e, axis=1),
            "projection": np.sum(directions * e, axis=1),
        }
        for score, values in scores.items():
            yield Priced(Candidate(WITH_NORM, score, stage, ratio=ratio), passes, values)


def _candidates(found: Sequence[Priced], names: Mapping[str, str]) -> pd.DataFrame:
    """One row a candidate; names: of the methods among them, by key."""
    rows = [
        {"key": item.candidate.key, "name": names.get(item.candidate.key, ""), "label": item.candidate.label}
        | asdict(item.candidate)
        | {"passes": item.passes}
        for item in found
    ]
    return pd.DataFrame(rows).astype({"ratio": float})


def _differences(resampled: Bootstraps, reference: str, limit: float, name: str) -> pd.DataFrame:
    """By key and verifier: difference of the pAUC from the reference's, column `name`, with its interval."""
    columns = {"difference": name, "low": f"{name}_low", "high": f"{name}_high"}
    return differences_table(resampled, reference, limit)[["key", "verifier", *columns]].rename(columns=columns)


def _figure(areas: pd.DataFrame, title: str) -> Figure:
    is_named = areas["name"] != ""
    points = areas.assign(label=areas["name"].where(is_named, areas["label"]))
    return pauc_by_passes(points, points.loc[is_named, "key"].unique(), title)
