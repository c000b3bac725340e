"""The questions of a reviewer: one choice of PreFIQs at a time is changed, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from prefiqs.embedding.embedder import raw_embeddings
from prefiqs.embedding.vectors import normalise, rowwise_cosine
from prefiqs.evaluation.bootstrap import BootstrapCurves
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.random_order import RandomOrder
from prefiqs.evaluation.tables import areas_table
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.methods.registry import score
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.fusing import fuse_batch_norm
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.prune import apply_mask, select_mask
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.stages import network_stages
from prefiqs.reporting.figures.areas import grouped_pauc, ratio_by_fmr
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers
from prefiqs.reporting.tables import Table

REFERENCE, LAYERS, RANKING, BATCH_NORM, DISTANCE, RANDOM = (
    "reference", "layers", "ranking", "batch norm", "distance", "random",
)  # fmt: skip
RANDOM_ORDER = "random order"
FEW_FACES = 32  # enough to see that fusing batch norm changes no embedding

Quality = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_drift(raw: np.ndarray, raw_pruned: np.ndarray) -> np.ndarray:
    """The quality of PreFIQs, from raw embeddings."""
    return quality_from_drift(drift(normalise(raw), normalise(raw_pruned)))


def by_raw_distance(raw: np.ndarray, raw_pruned: np.ndarray) -> np.ndarray:
    """Minus the distance of embeddings that are not normalised."""
    return -np.linalg.norm(raw - raw_pruned, axis=1)


@dataclass(frozen=True)
class Pruned:
    """A pruned network; fused: whether batch norm was folded into the layers before their weights were ranked."""

    spec: PruningSpec
    fused: bool = False


@dataclass(frozen=True)
class Variant:
    """An answer to one question at one ratio: the mean quality under some pruned networks (usually one)."""

    question: str
    name: str
    ratio: float
    networks: tuple[Pruned, ...]
    quality: Quality = by_drift


@dataclass(frozen=True, eq=False)
class AblationStudy:
    """Variants of PreFIQs that differ from the published one in one choice each; pAUC·10³, lower is better.

    Attributes:
        table: one row a variant: question, variant, ratio, pauc, difference from the published choice at the same ratio
            with its 95 % interval, spearman (of both scores); and one of the random order.
        figure: all variants, with the 95 % interval of each area.
        stages: by stage of the network, its share of all weights, and the share of its weights that the global ranking
            removes at each ratio (%).
        fusing_error: the largest difference that fusing batch norm makes to a normalised embedding, nothing pruned.
        removed_alike: by ratio, the share of the removed weights that are removed with batch norm fused, too.
        seeds: by ratio, mean and std of the pAUC over the seeds of random pruning.
        by_fmr: pAUC by ratio and FMR, with a figure of the same.
        best_ratios: by FMR, the ratios with the smallest pAUC.
        passes: pAUC of SER-FIQ by its number of passes T, and how alike it ranks to the largest T under other masks.
        pauc_random: of the random order. failing, genuine: genuine pairs that fail with nothing discarded, of how many.
        forward_passes: faces × networks that had to be embedded for this study.
    """

    table: Table
    figure: Figure
    stages: Table
    fusing_error: float
    removed_alike: dict[float, float]
    seeds: pd.DataFrame
    by_fmr: Table
    fmr_figure: Figure
    best_ratios: dict[float, list[float]]
    passes: Table
    pauc_random: float
    failing: int
    genuine: int
    forward_passes: int

    def answers(self, question: str) -> Table:
        """The rows of one question, below the published choice at the same ratio."""
        frame = self.table.frame
        rows = frame[frame["question"].isin([REFERENCE, question]) & frame["ratio"].notna()]
        rows = rows.sort_values("ratio", kind="stable").drop(columns="question")
        rows = rows[["ratio", *rows.columns.drop("ratio")]]
        return replace(self.table, frame=rows, caption="", notes="", blocks=None)

    def verdict(self, question: str) -> str:
        """One sentence a ratio: which answers are worse or better than the published choice, beyond the interval."""
        rows = self.table.frame[self.table.frame["question"] == question]
        sentences = []
        for ratio, part in rows.groupby("ratio"):
            worse, better = part[part["difference_low"] > 0], part[part["difference_high"] < 0]
            found = [f"{', '.join(some['variant'])} {word}" for some, word in ((worse, "worse"), (better, "better"))
                     if len(some)]  # fmt: skip
            if rest := len(part) - len(worse) - len(better):
                found.append(f"{rest} of {len(part)} not distinguishable")
            sentences.append(f"ρ = {ratio:g}, compared with the published choice: {'; '.join(found)}.")
        return "\n".join(sentences)

    @property
    def clear(self) -> pd.DataFrame:
        """The variants whose difference from the published choice has an interval without 0."""
        frame = self.table.frame.rename(columns={"difference_low": "low", "difference_high": "high"})
        return frame[(frame["low"] > 0) | (frame["high"] < 0)]

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        frame = self.table.frame.dropna(subset="ratio")
        pauc: dict[str, dict[str, dict[float, float]]] = {}
        for row in frame.itertuples():
            pauc.setdefault(row.question, {}).setdefault(row.variant, {})[row.ratio] = row.pauc
        cosine = frame[(frame["question"] == DISTANCE) & (frame["variant"] == "cosine")]
        return {
            "pauc": pauc,
            "pauc_random_order": self.pauc_random,
            "pauc_seeds": self.seeds.to_dict(),
            "spearman_cosine": cosine.set_index("ratio")["spearman"].to_dict(),
            "removed_alike_when_folded": self.removed_alike,
            "best_ratios_by_fmr": self.best_ratios,
            "differences_without_0": self.clear.to_dict("records"),
            "forward_passes": self.forward_passes,
            "ser_fiq_passes": self.passes.frame.to_dict("records"),
        }

    def write(self, folder: str | Path) -> None:
        """Write ablation, stages, fmr and passes (CSV, Markdown), ablation.png, fmr.png and numbers.json."""
        for name, table in (
            ("ablation", self.table), ("stages", self.stages), ("fmr", self.by_fmr), ("passes", self.passes),
        ):  # fmt: skip
            table.write(Path(folder) / name)
        save_figure(self.figure, Path(folder) / "ablation.png")
        save_figure(self.fmr_figure, Path(folder) / "fmr.png")
        write_numbers(self.numbers, folder)


def ablation_study(run: Run, benchmark: str, model: str) -> AblationStudy:
    """Embed a benchmark with the pruned networks that the questions ask for; the unpruned network verifies."""
    chosen, edc, grid = run.params.ablation, run.params.edc, run.params.prune
    protocol = replace(edc.protocol, fmrs=edc.protocol.fmrs[:1])
    images = np.asarray(run.benchmark(benchmark).images)
    network = load_model(model, device=run.params.embed.device)
    fused, stages = fuse_batch_norm(network), network_stages(network)
    variants = reviewers_variants(stages, chosen.ratios, range(grid.seed, grid.seed + chosen.seeds))
    published = {ratio: Pruned(PruningSpec(ratio)) for ratio in sorted({*chosen.ratios, *grid.ratios})}
    published = {r: p for r, p in published.items() if r in chosen.ratios or p.spec in grid.specs}

    needed = dict.fromkeys([*published.values(), *(pruned for variant in variants for pruned in variant.networks)])
    new = [pruned for pruned in needed if pruned.fused or pruned.spec not in grid.specs]
    raw, raw_pruned = run.raw_embeddings(benchmark, model), _embeddings(run, images, new, network, fused)
    raw_pruned |= {p: run.raw_embeddings(benchmark, model, p.spec) for p in needed if p not in new}
    scores = {v: np.mean([v.quality(raw, raw_pruned[p]) for p in v.networks], axis=0) for v in variants}

    comparison = run.comparison(benchmark, [model], scores)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)[model, protocol.fmrs[0]]
    chance = comparison.random_orders(protocol, edc.random_orders)[model, protocol.fmrs[0]]
    frame = _differences(scores, resampled, chance, protocol.limit)
    of_ratios = comparison.with_scores({ratio: by_drift(raw, raw_pruned[p]) for ratio, p in published.items()})
    of_fmrs = replace(protocol, fmrs=tuple(chosen.fmr))
    fmr_areas = areas_table(of_ratios.curves(of_fmrs), protocol.limit).rename(columns={"key": "ratio"})

    about = f"{benchmark}, {model} scores and verifies"
    genuine = int(run.benchmark(benchmark).genuine.sum())
    return AblationStudy(
        table=Table(
            frame,
            f"Ablation on {about}: pAUC·10³ at FMR {protocol.fmrs[0]:g}",
            digits=dict.fromkeys(["pauc", "difference", "difference_low", "difference_high"], 2) | {"spearman": 3},
            notes=f"Discard up to {edc.limit:g}, threshold {edc.threshold}. difference: from the reference at the same "
            f"ρ, with its 95 % interval, bootstrap over {resampled.unit}, {edc.resamples} resamples; spearman: of the "
            f"scores with those of the reference. Random order: mean of {edc.random_orders} orders.",
            blocks="question",
            intervals=["difference"],
        ),
        figure=_figure(frame, variants, resampled, chance, protocol.limit),
        stages=_stages_table(network, stages, chosen.ratios, f"What the global ranking removes of {model} (%)"),
        fusing_error=_fusing_error(run, images[:FEW_FACES], network, fused),
        removed_alike={ratio: _removed_alike(network, fused, PruningSpec(ratio)) for ratio in chosen.ratios},
        seeds=_spread_of_seeds(variants, resampled, protocol.limit),
        by_fmr=_fmr_table(fmr_areas, of_fmrs, f"pAUC·10³ at each ρ and FMR on {about}"),
        fmr_figure=ratio_by_fmr(fmr_areas, title=f"pAUC·10³ on {about}"),
        best_ratios=_best_ratios(fmr_areas),
        passes=_ser_fiq(run, images, network, comparison, protocol, about),
        pauc_random=1e3 * chance.pauc_mean,
        failing=round(resampled.curves[variants[0]].fnmr[0] * genuine),
        genuine=genuine,
        forward_passes=len(new) * len(images),
    )


def reviewers_variants(
    stages: Mapping[str, tuple[str, ...]], ratios: Sequence[float], seeds: Sequence[int]
) -> list[Variant]:
    """All variants, question by question. stages: names of layers by stage."""
    published = {ratio: Pruned(PruningSpec(ratio)) for ratio in ratios}
    found = [Variant(REFERENCE, "as published", ratio, (published[ratio],)) for ratio in ratios]
    for ratio in ratios:
        for stage, layers in stages.items():
            found.append(Variant(LAYERS, stage, ratio, (Pruned(PruningSpec(ratio, layers=layers)),)))
    for ratio in ratios:
        within = Pruned(PruningSpec(ratio, ranking="layerwise"))
        found.append(Variant(RANKING, "within each layer", ratio, (within,)))
    for ratio in ratios:
        found.append(Variant(BATCH_NORM, "folded first", ratio, (Pruned(PruningSpec(ratio), fused=True),)))
    for ratio in ratios:
        found.append(Variant(DISTANCE, "cosine", ratio, (published[ratio],), rowwise_cosine))
        found.append(Variant(DISTANCE, "L2, not normalised", ratio, (published[ratio],), by_raw_distance))
    for ratio in ratios:
        drawn = {seed: Pruned(PruningSpec(ratio, criterion="random", seed=seed)) for seed in seeds}
        found += [Variant(RANDOM, f"seed {seed}", ratio, (pruned,)) for seed, pruned in drawn.items()]
        found.append(Variant(RANDOM, "mean score of the seeds", ratio, tuple(drawn.values())))
    return found


def _embeddings(
    run: Run, images: np.ndarray, wanted: Sequence[Pruned], network: FaceModel, fused: FaceModel
) -> dict[Pruned, np.ndarray]:
    """Raw embeddings of all faces by each pruned network."""
    wholes = [fused if pruned.fused else network for pruned in wanted]
    networks = [apply_mask(whole, select_mask(whole, p.spec)) for whole, p in zip(wholes, wanted, strict=True)]
    tables = raw_embeddings(networks, images, run.params.embed.batch_size, run.params.embed.device)
    return dict(zip(wanted, tables, strict=True))


def _differences(
    scores: Mapping[Variant, np.ndarray], resampled: BootstrapCurves, chance: RandomOrder, limit: float
) -> pd.DataFrame:
    references = {variant.ratio: variant for variant in scores if variant.question == REFERENCE}
    rows: list[dict[str, Any]] = []
    for variant, values in scores.items():
        row = {"question": variant.question, "variant": variant.name, "ratio": variant.ratio}
        row["pauc"] = 1e3 * resampled.curves[variant].pauc(limit)
        reference = references[variant.ratio]
        if variant != reference:
            found = resampled.difference(variant, reference, limit)
            row |= {"difference": 1e3 * found.estimate, "difference_low": 1e3 * found.low}
            row |= {"difference_high": 1e3 * found.high}
            row["spearman"] = float(spearmanr(values, scores[reference]).statistic)
        rows.append(row)
    random = {"question": REFERENCE, "variant": RANDOM_ORDER, "pauc": 1e3 * chance.pauc_mean}
    return pd.DataFrame([*rows[: len(references)], random, *rows[len(references) :]]).astype(
        dict.fromkeys(["ratio", "difference", "difference_low", "difference_high", "spearman"], float)
    )


def _figure(
    frame: pd.DataFrame, variants: Sequence[Variant], resampled: BootstrapCurves, chance: RandomOrder, limit: float
) -> Figure:
    ends = [(v.question, v.name, v.ratio, *resampled.interval(v, limit)) for v in variants]
    ends.append((REFERENCE, RANDOM_ORDER, np.nan, chance.pauc.min(), chance.pauc.max()))
    intervals = pd.DataFrame(ends, columns=["question", "variant", "ratio", "low", "high"])
    shown = frame[["question", "variant", "ratio", "pauc"]].merge(intervals, on=["question", "variant", "ratio"])
    shown["variant"] += shown["ratio"].map(", ρ = {:g}".format, na_action="ignore").fillna("")
    return grouped_pauc(shown.assign(low=1e3 * shown["low"], high=1e3 * shown["high"]))


def _stages_table(
    network: FaceModel, stages: Mapping[str, tuple[str, ...]], ratios: Sequence[float], caption: str
) -> Table:
    total = sum(weight.numel() for weight in prunable_weights(network).values())
    frame = pd.DataFrame({"stage": [*stages]})
    frame["of all weights"] = [
        100 * sum(weight.numel() for weight in prunable_weights(network, layers).values()) / total
        for layers in stages.values()
    ]
    for ratio in ratios:
        spec = PruningSpec(ratio)
        pruned = apply_mask(network, select_mask(network, spec))
        frame[f"removed at ρ = {ratio:g}"] = [100 * _zeros(pruned, layers) for layers in stages.values()]
    return Table(frame, caption, digits=1)


def _zeros(network: FaceModel, layers: tuple[str, ...]) -> float:
    weights = prunable_weights(network, layers).values()
    return float(torch.cat([weight.flatten() == 0 for weight in weights]).double().mean())


def _fusing_error(run: Run, images: np.ndarray, network: FaceModel, fused: FaceModel) -> float:
    embed = run.params.embed
    before, after = raw_embeddings([network, fused], images, embed.batch_size, embed.device)
    return float(np.abs(normalise(before) - normalise(after)).max())


def _removed_alike(network: FaceModel, fused: FaceModel, spec: PruningSpec) -> float:
    mask, of_fused = (np.unpackbits(select_mask(one, spec).arrays["mask"]) for one in (network, fused))
    return float((mask & of_fused).sum() / mask.sum())


def _spread_of_seeds(variants: Sequence[Variant], resampled: BootstrapCurves, limit: float) -> pd.DataFrame:
    singles = [v for v in variants if v.question == RANDOM and len(v.networks) == 1]
    paucs = pd.Series([1e3 * resampled.curves[v].pauc(limit) for v in singles])
    groups = paucs.groupby([v.ratio for v in singles])
    return pd.DataFrame({"mean": groups.mean(), "std": groups.std(ddof=0)})


def _fmr_table(areas: pd.DataFrame, protocol: EdcProtocol, caption: str) -> Table:
    frame = areas.pivot(index="ratio", columns="fmr", values="pauc")[[*protocol.fmrs]]
    frame.columns = [f"FMR {fmr:g}" for fmr in protocol.fmrs]
    doubtful = int((~areas["fmr_resolvable"]).sum())
    notes = (
        f"Discard up to {protocol.limit:g}, threshold {protocol.threshold}. Areas with a point of fewer than 1/FMR "
        f"impostor pairs: {doubtful or 'none'} of {len(areas)}."
    )
    return Table(frame.reset_index(), caption, dict.fromkeys(frame, "min"), 2, notes)


def _best_ratios(areas: pd.DataFrame) -> dict[float, list[float]]:
    smallest = areas[areas["pauc"] == areas.groupby("fmr")["pauc"].transform("min")]
    return {fmr: part.tolist() for fmr, part in smallest.groupby("fmr", sort=False)["ratio"]}


def _ser_fiq(
    run: Run, images: np.ndarray, network: FaceModel, comparison: Comparison, protocol: EdcProtocol, about: str
) -> Table:
    counts, seed, device = run.params.ablation.passes, run.params.prune.seed, run.params.embed.device
    scores = {count: score(images, "ser-fiq", network, passes=count, seed=seed, device=device) for count in counts}
    other_masks = score(images, "ser-fiq", network, passes=max(counts), seed=seed + 1, device=device)
    areas = areas_table(comparison.with_scores(scores).curves(protocol), protocol.limit)
    frame = areas.rename(columns={"key": "T"})[["T", "pauc"]]
    frame["spearman"] = [float(spearmanr(scores[count], other_masks).statistic) for count in frame["T"]]
    caption = f"SER-FIQ by its number of passes T on {about}: pAUC·10³ at FMR {protocol.fmrs[0]:g}"
    notes = f"spearman: with the scores of T = {max(counts)} under other masks."
    return Table(frame, caption, {"pauc": "min"}, {"pauc": 2, "spearman": 3}, notes)
