"""The questions of a reviewer: one choice of PreFIQs at a time is changed, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.vectors import drift, normalise, quality_from_drift, rowwise_cosine
from prefiqs.evaluation.bootstrap import BootstrapCurves, simultaneous_intervals
from prefiqs.evaluation.comparison import Comparison
from prefiqs.evaluation.curve import RandomOrder
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.tables import areas_table, random_table, unreliable
from prefiqs.methods.registry import score
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.fusing import fuse_batch_norm
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.prune import apply_mask, select_mask
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.stages import network_stages
from prefiqs.reporting.figures.areas import forest
from prefiqs.reporting.figures.style import PAUC_LABEL
from prefiqs.reporting.study import Figure, Study, Table, saved_as

REFERENCE, LAYERS, RANKING, BATCH_NORM, DISTANCE, RANDOM = QUESTIONS = (
    "reference", "layers", "ranking", "batch norm", "distance", "random",
)  # fmt: skip
COSINE = "cosine"
FEW_FACES = 32  # enough to see that fusing batch norm changes no embedding


def _by_drift(raw: np.ndarray, raw_pruned: np.ndarray) -> np.ndarray:
    return quality_from_drift(drift(normalise(raw), normalise(raw_pruned)))


def _by_raw_distance(raw: np.ndarray, raw_pruned: np.ndarray) -> np.ndarray:
    return -np.linalg.norm(raw - raw_pruned, axis=1)


@dataclass(frozen=True)
class Variant:
    """An answer to one question at one ratio: the `quality` from raw embeddings, averaged over pruned networks.

    fused: batch norm was folded into the layers before their weights were ranked.
    """

    question: str
    name: str
    ratio: float
    specs: tuple[PruningSpec, ...]
    fused: bool = False
    quality: Callable[[np.ndarray, np.ndarray], np.ndarray] = _by_drift


class AblationStudy(Study):
    """Variants of PreFIQs that differ from the published one in one choice each; pAUC·10³, lower is better.

    fusing_error: the largest difference that fusing batch norm makes to a normalised embedding, nothing pruned.
    failing: how many of the `genuine` pairs are false non-matches with nothing discarded.
    """

    table: Table = saved_as("ablation")
    figure: Figure = saved_as("ablation")
    stages: Table = saved_as("stages")
    by_fmr: Table = saved_as("fmr")
    passes: Table = saved_as("passes")
    fusing_error: float
    failing: int
    genuine: int

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
            clear = {"worse": part["difference_low"] > 0, "better": part["difference_high"] < 0}
            found = [f"{', '.join(part['variant'][which])} {word}" for word, which in clear.items() if which.any()]
            if rest := (~clear["worse"] & ~clear["better"]).sum():
                found.append(f"{rest} of {len(part)} not distinguishable")
            sentences.append(f"ρ = {ratio:g}, compared with the published choice: {'; '.join(found)}.")
        return "\n".join(sentences)


def ablation_study(run: Run, benchmark: str, model: str) -> AblationStudy:
    """Embed a benchmark with the pruned networks that the questions ask for; the unpruned network verifies."""
    chosen, edc, grid, embed = run.params.ablation, run.params.edc, run.params.prune, run.params.embed
    protocol, fmr = edc.at_first_fmr, edc.fmr[0]
    faces, raw = run.benchmark(benchmark), run.raw_embeddings(benchmark, model)
    images, network = np.asarray(faces.images), load_model(model, device=embed.device)
    fused, stages = fuse_batch_norm(network), network_stages(network)

    drawn = range(grid.seed, grid.seed + chosen.seeds)
    variants = _variants(stages, chosen.ratios, drawn)
    ready = grid.specs_of(model)
    ratios = {*chosen.ratios, *(ratio for ratio in grid.ratios if PruningSpec(ratio) in ready)}
    published = [PruningSpec(ratio) for ratio in sorted(ratios)]
    # By specification and whether batch norm is fused: what the pipeline has is read, the rest is computed.
    needed = dict.fromkeys([(spec, False) for spec in published] + [(s, v.fused) for v in variants for s in v.specs])
    new = [(spec, is_fused) for spec, is_fused in needed if is_fused or spec not in ready]
    wholes = [fused if is_fused else network for _, is_fused in new]
    pruned = [apply_mask(whole, select_mask(whole, spec)) for whole, (spec, _) in zip(wholes, new, strict=True)]
    found = dict(zip(new, Embedder(pruned, embed.batch_size, embed.device)(images), strict=True))
    found |= {key: run.raw_embeddings(benchmark, model, key[0]) for key in needed if key not in found}

    scores = {v: np.mean([v.quality(raw, found[spec, v.fused]) for spec in v.specs], axis=0) for v in variants}
    comparison = run.comparison(benchmark, [model], scores)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)[model, fmr]
    chance = comparison.random_orders(protocol, edc.random_orders)[model, fmr]
    frame = _compared(scores, resampled, chance, protocol.limit)
    answers = frame.drop(columns=["pauc_low", "pauc_high"])
    clear = answers[(answers["difference_low"] > 0) | (answers["difference_high"] < 0)]
    clear = clear.rename(columns={"difference_low": "low", "difference_high": "high"})
    seeds = answers[answers["variant"].isin([f"seed {seed}" for seed in drawn])].groupby("ratio")["pauc"]
    cosine = answers[answers["variant"] == COSINE].set_index("ratio")["spearman"]

    of_ratios = comparison.with_scores({spec.ratio: _by_drift(raw, found[spec, False]) for spec in published})
    of_fmrs = replace(protocol, fmrs=tuple(chosen.fmr))
    fmr_areas = areas_table(of_ratios.curves(of_fmrs), protocol.limit).rename(columns={"key": "ratio"})
    smallest = fmr_areas[fmr_areas["pauc"] == fmr_areas.groupby("fmr")["pauc"].transform("min")]
    before, after = Embedder([network, fused], embed.batch_size, embed.device)(images[:FEW_FACES])

    about = f"{benchmark}, {model}, same-model"
    names = {"question": "group", "pauc": "estimate", "pauc_low": "low", "pauc_high": "high"}
    drawn_areas = frame.dropna(subset="ratio").rename(columns=names)
    drawn_areas = drawn_areas.assign(
        key=range(len(drawn_areas)),
        verifier=model,
        label=drawn_areas["variant"] + drawn_areas["ratio"].map(", ρ = {:g}".format),
        method=np.where(drawn_areas["group"] == RANDOM, "unstructured random", "prefiqs"),
    )
    passes = _ser_fiq(run, images, network, comparison, protocol, about)
    whole = resampled.curves[variants[0]]
    return AblationStudy(
        table=Table(
            answers,
            f"Ablation on {about}: pAUC·10³ at FMR {fmr:g}",
            digits=dict.fromkeys(["pauc", "difference", "difference_low", "difference_high"], 2) | {"spearman": 3},
            notes=f"Discard up to {edc.limit:g}, threshold {edc.threshold}. difference: from the reference at the same "
            f"ρ, with a 95 % interval; the intervals hold for all variants at once (bootstrap over {resampled.unit}, "
            f"{edc.resamples} resamples). spearman: of the scores with those of the reference. Random order: mean of "
            f"{edc.random_orders} orders.",
            blocks="question",
            intervals=["difference"],
        ),
        figure=forest(
            drawn_areas,
            f"Ablation on {about}, FMR {fmr:g}",
            f"{PAUC_LABEL}, 95 % intervals (lower is better)",
            random_table({(model, fmr): chance}),
        ),
        stages=_stages_table(network, stages, chosen.ratios, f"What the global ranking removes of {model} (%)"),
        by_fmr=_fmr_table(fmr_areas, of_fmrs, f"pAUC·10³ at each ρ and FMR on {about}"),
        passes=passes,
        fusing_error=float(np.abs(normalise(before) - normalise(after)).max()),
        failing=round(whole.fnmr[0] * whole.n_genuine[0]),
        genuine=int(whole.n_genuine[0]),
        numbers={
            "pauc": {
                question: part.pivot(index="ratio", columns="variant", values="pauc").to_dict()
                for question, part in answers.dropna(subset="ratio").groupby("question")
            },
            "pauc_random_order": 1e3 * chance.pauc.mean(),
            "pauc_seeds": pd.DataFrame({"mean": seeds.mean(), "std": seeds.std(ddof=0)}).to_dict(),
            "spearman_cosine": cosine.to_dict(),
            "removed_alike_when_folded": {r: _removed_alike(network, fused, PruningSpec(r)) for r in chosen.ratios},
            "best_ratios_by_fmr": smallest.groupby("fmr", sort=False)["ratio"].agg(list).to_dict(),
            "differences_without_0": clear.to_dict("records"),
            "forward_passes": len(new) * len(images),
            "ser_fiq_passes": passes.frame.to_dict("records"),
        },
    )


def _variants(stages: Mapping[str, tuple[str, ...]], ratios: Sequence[float], seeds: Sequence[int]) -> list[Variant]:
    """All variants, question by question. stages: names of layers by stage."""
    found = []
    for ratio in ratios:
        published = (PruningSpec(ratio),)
        drawn = tuple(PruningSpec(ratio, criterion="random", seed=seed) for seed in seeds)
        found += [
            Variant(REFERENCE, "as published", ratio, published),
            *(Variant(LAYERS, name, ratio, (PruningSpec(ratio, layers=layers),)) for name, layers in stages.items()),
            Variant(RANKING, "within each layer", ratio, (PruningSpec(ratio, ranking="layerwise"),)),
            Variant(BATCH_NORM, "folded first", ratio, published, fused=True),
            Variant(DISTANCE, COSINE, ratio, published, quality=rowwise_cosine),
            Variant(DISTANCE, "L2, not normalised", ratio, published, quality=_by_raw_distance),
            *(Variant(RANDOM, f"seed {spec.seed}", ratio, (spec,)) for spec in drawn),
            Variant(RANDOM, "mean score of the seeds", ratio, drawn),
        ]
    return sorted(found, key=lambda variant: QUESTIONS.index(variant.question))


def _compared(
    scores: Mapping[Variant, np.ndarray], resampled: BootstrapCurves, chance: RandomOrder, limit: float
) -> pd.DataFrame:
    """One row a variant, compared with the published choice at the same ratio, and one of the random order.

    Intervals of the differences hold for all variants at once.
    """
    references = {variant.ratio: variant for variant in scores if variant.question == REFERENCE}
    compared, areas, drawn = [references[variant.ratio] for variant in scores], *resampled.paucs([*scores], limit)
    of_references, drawn_of_references = resampled.paucs(compared, limit)
    change = areas - of_references
    changes = np.column_stack([change, *simultaneous_intervals(change, drawn - drawn_of_references)])
    rows: list[tuple] = []
    for (variant, values), reference, area, found in zip(scores.items(), compared, areas, changes, strict=True):
        differs = [*found, spearmanr(values, scores[reference]).statistic] if variant != reference else [np.nan] * 4
        about = variant.question, variant.name, variant.ratio
        rows.append((*about, area, *resampled.interval(variant, limit), *differs))
    random = (chance.pauc.mean(), chance.pauc.min(), chance.pauc.max(), *[np.nan] * 4)
    rows.insert(len(references), (REFERENCE, "random order", np.nan, *random))
    columns = ["pauc", "pauc_low", "pauc_high", "difference", "difference_low", "difference_high"]
    frame = pd.DataFrame(rows, columns=["question", "variant", "ratio", *columns, "spearman"])
    return frame.assign(**(1e3 * frame[columns]))


def _stages_table(
    network: FaceModel, stages: Mapping[str, tuple[str, ...]], ratios: Sequence[float], caption: str
) -> Table:
    def weights(model: FaceModel, layers: str | tuple[str, ...] = "all") -> torch.Tensor:
        return torch.cat([weight.flatten() for weight in prunable_weights(model, layers).values()])

    sizes = [len(weights(network, layers)) for layers in stages.values()]
    frame = pd.DataFrame({"stage": [*stages], "of all weights": 100 * np.array(sizes) / len(weights(network))})
    for ratio in ratios:
        pruned = apply_mask(network, select_mask(network, PruningSpec(ratio)))
        removed = [(weights(pruned, layers) == 0).double().mean().item() for layers in stages.values()]
        frame[f"removed at ρ = {ratio:g}"] = 100 * np.array(removed)
    return Table(frame, caption, digits=1)


def _removed_alike(network: FaceModel, fused: FaceModel, spec: PruningSpec) -> float:
    """The share of the removed weights that are removed with batch norm fused, too."""
    mask, of_fused = (np.unpackbits(select_mask(one, spec).arrays["mask"]) for one in (network, fused))
    return float((mask & of_fused).sum() / mask.sum())


def _fmr_table(areas: pd.DataFrame, protocol: EdcProtocol, caption: str) -> Table:
    areas = areas.assign(fmr=areas["fmr"].map("FMR {:g}".format), few=~areas["reliable"])
    wide = areas.pivot(index="ratio", columns="fmr", values=["pauc", "few"])
    coarse = {f"FMR {fmr:g}": f"few at {fmr:g}" for fmr in protocol.fmrs}
    frame = wide["pauc"][[*coarse]].astype(float).join(wide["few"].rename(columns=coarse)).rename_axis(columns=None)
    notes = f"Discard up to {protocol.limit:g}, threshold {protocol.threshold}. {unreliable(areas, 'fmr')}"
    return Table(frame.reset_index(), caption, dict.fromkeys(coarse, "min"), 2, notes.strip(), coarse=coarse)


def _ser_fiq(
    run: Run, images: np.ndarray, network: FaceModel, comparison: Comparison, protocol: EdcProtocol, about: str
) -> Table:
    counts, seed, device = run.params.ablation.passes, run.params.prune.seed, run.params.embed.device
    scores = {count: score(images, "ser-fiq", network, passes=count, seed=seed, device=device) for count in counts}
    other_masks = score(images, "ser-fiq", network, passes=max(counts), seed=seed + 1, device=device)
    frame = areas_table(comparison.with_scores(scores).curves(protocol), protocol.limit).rename(columns={"key": "T"})
    frame = frame[["T", "pauc"]].assign(spearman=[spearmanr(s, other_masks).statistic for s in scores.values()])
    caption = f"SER-FIQ by its number of passes T on {about}: pAUC·10³ at FMR {protocol.fmrs[0]:g}"
    notes = f"spearman: with the scores of T = {max(counts)} under other masks."
    return Table(frame, caption, {"pauc": "min"}, {"pauc": 2, "spearman": 3}, notes)
