"""What PreFIQs is worth below two forward passes: only some layers are pruned, and what comes before is shared."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from typing import NamedTuple

import numpy as np
import pandas as pd

from prefiqs.embedding.shared_prefix import shared_embedder, shared_passes
from prefiqs.embedding.vectors import normalise
from prefiqs.errors import InputError
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.tables import areas_table, differences_table, random_table
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
from prefiqs.reporting.figures.cost import pauc_by_cost
from prefiqs.reporting.study import Figure, Study, Table, saved_as

FAST_RATIO: float = signature(prefiqs_fast.scorer).parameters["ratio"].default
CHEAP = 1.05  # forward passes
PREFIQS, FAST, NORM = "PreFIQs", "prefiqs-fast", "norm"

FORMULAS = {  # from the embedding e, the pruned one e_ρ, the drift D between both, and the derivative J
    "quality": "1 − D/2",
    "norm": "‖e‖",
    "norm-quality": "‖e‖·(1 − D/2)",
    "pruned-norm": "‖e_ρ‖",
    "projection": "e_ρ·ê",
    "jacobian": "−‖J·Δθ‖",
}


class Candidate(NamedTuple):
    """A score that could take the place of PreFIQs: `score` is a key of `FORMULAS`, `group` the idea behind it.

    stage: the first pruned stage, "" if none. onwards: whether all later stages are pruned, too. ratio: None for the
    mean over all ratios, and if nothing is pruned. passes: forward passes per face, counted in multiply-adds.
    """

    group: str
    score: str
    stage: str
    onwards: bool
    ratio: float | None
    passes: float

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


class PriceStudy(Study):
    """Scores that need only a part of the network to be pruned, by their cost; pAUC·10³, lower is better.

    table: one row per candidate, the smallest mean first. areas: one row per candidate and verifier. chosen: the best
    candidate of at most `CHEAP` passes, the best of all, and prefiqs-fast.
    """

    table: Table = saved_as("price")
    areas: pd.DataFrame = saved_as("areas")
    chosen: Table = saved_as("chosen")
    figure: Figure = saved_as("price")


def price_study(run: Run, benchmark: str, model: str) -> PriceStudy:
    """Prune each stage of a network, alone and together with all later ones, and compare all resulting scores."""
    edc, faces, usual = run.params.edc, run.benchmark(benchmark), run.params.report.gallery_ratio
    verifiers, protocol = run.verifiers(model), edc.at_first_fmr
    ratios = sorted({*run.params.price.ratios, usual, FAST_RATIO})
    network = load_model(model, device=run.params.embed.device)
    stages = network_stages(network)
    if len(stages) < 3:
        raise InputError(f"{model} is not built in stages, which are pruned one by one. Use a network such as sface.")
    # Only faces that are compared with another have to be embedded; what the others score does not matter.
    used = np.unique(faces.pairs) if faces.templates is None else np.arange(len(faces.images))
    found = list(candidates(network, stages, ratios, np.asarray(faces.images)[used], run.params.embed))
    scores = {candidate.key: np.zeros(len(faces.images), np.float32) for candidate, _ in found}
    for candidate, values in found:
        scores[candidate.key][used] = values

    first, *_, last = stages
    names = {
        ("quality", first, True, usual): PREFIQS,
        ("projection", last, False, FAST_RATIO): FAST,
        ("norm", "", False, None): NORM,
    }
    rows = [(c.key, names.get(c[1:5], ""), c.label, *c) for c, _ in found]
    table = pd.DataFrame(rows, columns=["key", "name", "label", *Candidate._fields]).astype({"ratio": float})
    key_of = table.set_index("name")["key"]

    comparison = run.comparison(benchmark, verifiers, scores)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)
    chance = random_table(comparison.random_orders(protocol, edc.random_orders))
    pauc = areas_table(comparison.curves(protocol), protocol.limit)[["key", "verifier", "fmr", "pauc"]]
    areas = pauc.merge(_differences(resampled, key_of[PREFIQS], protocol.limit, "from PreFIQs"), how="left")
    areas = table.merge(areas, on="key")
    wide = table.join(pauc.pivot(index="key", columns="verifier", values="pauc")[verifiers], on="key")
    wide = wide.assign(mean=wide[verifiers].mean(axis=1)).sort_values("mean", ignore_index=True)

    choices = {
        f"At most {CHEAP:g} passes": wide[wide["passes"] <= CHEAP].iloc[0]["key"],
        "At any price": wide.iloc[0]["key"],
        FAST: key_of[FAST],
    }
    chosen = pd.DataFrame(choices.items(), columns=["choice", "key"]).merge(areas, on="key")
    chosen = chosen.merge(_differences(resampled, key_of[NORM], protocol.limit, "from the norm"), how="left")
    differences = [f"{name}{end}" for name in ("from PreFIQs", "from the norm") for end in ("", "_low", "_high")]

    words = ", ".join(f"{row.verifier} {row.pauc_mean:.2f}" for row in chance.itertuples())
    about = f"Discard up to {protocol.limit:g}, threshold {protocol.threshold}. passes: forward passes of a face."
    drawn = f"95 % intervals, bootstrap over {edc.resampled}, {edc.resamples} resamples"
    by_key = wide.set_index("key")[["group", "label", "passes", *verifiers, "mean"]]
    points = areas.assign(label=areas["name"].where(areas["name"] != "", areas["label"]), cost=areas["passes"])
    named = points.loc[points["name"] != "", "key"]
    return PriceStudy(
        table=Table(
            wide,
            f"Partly pruned {model} on {benchmark}, by cost: pAUC·10³ at FMR {protocol.fmrs[0]:g}",
            best=dict.fromkeys([*verifiers, "mean"], "min"),
            digits=dict.fromkeys([*verifiers, "mean"], 2) | {"passes": 3},
            notes=f"{about} Random order: {words}.",
            hidden=["key", "group", "score", "stage", "onwards", "ratio"],
        ),
        areas=areas,
        chosen=Table(
            chosen[["choice", "key", "label", "passes", "verifier", "pauc", *differences]],
            "The best candidates and prefiqs-fast: pAUC·10³, and its differences from PreFIQs and from the norm",
            digits=dict.fromkeys(["pauc", *differences], 2) | {"passes": 3},
            notes=f"{about} In brackets: {drawn}.",
            hidden=["key"],
            intervals=["from PreFIQs", "from the norm"],
            blocks="choice",
        ),
        figure=pauc_by_cost(points, "forward passes per face", named, f"{benchmark}, quality from {model}"),
        numbers={choice: by_key.loc[key].to_dict() for choice, key in choices.items()}
        | {"pauc": wide.set_index("name").loc[[PREFIQS, NORM], verifiers].to_dict()},
    )


def candidates(
    network: FaceModel, stages: Mapping[str, tuple[str, ...]], ratios: Sequence[float], images: np.ndarray, embed: Embed
) -> Iterator[tuple[Candidate, np.ndarray]]:
    """All candidates with the scores of n faces. stages: names of layers by stage, from the image to the embedding."""
    names = list(stages)
    prunings = [(name, False, stages[name]) for name in names]
    prunings += [(name, True, sum((stages[n] for n in names[i:]), ())) for i, name in enumerate(names[:-1])]
    for stage, onwards, layers in prunings:
        masks = select_masks(network, [PruningSpec(ratio, layers=layers) for ratio in ratios])
        pruned = [apply_mask(network, mask) for mask in masks]
        plain, *moved = shared_embedder(network, pruned, embed.batch_size, embed.device)(images)
        passes, passes_of_all = shared_passes(network, pruned[:1]), shared_passes(network, pruned)
        norm, directions = np.linalg.norm(plain, axis=1), normalise(plain)
        drifts = [drift(directions, normalise(e)) for e in moved]
        for ratio, distance in zip(ratios, drifts, strict=True):
            group = "from a stage on" if onwards else "one stage"
            yield Candidate(group, "quality", stage, onwards, ratio, passes), quality_from_drift(distance)
        quality = quality_from_drift(np.mean(drifts, axis=0))
        yield Candidate("mean over ρ", "quality", stage, onwards, None, passes_of_all), quality
        yield Candidate("with the norm", "norm-quality", stage, onwards, None, passes_of_all), norm * quality
        if stage == names[-1]:
            yield Candidate("with the norm", "norm", "", False, None, 1.0), norm
            for ratio, distance, e in zip(ratios, drifts, moved, strict=True):
                scores = {
                    "norm-quality": norm * quality_from_drift(distance),
                    "pruned-norm": np.linalg.norm(e, axis=1),
                    "projection": np.sum(directions * e, axis=1),
                }
                for score, values in scores.items():
                    yield Candidate("with the norm", score, stage, False, ratio, passes), values
        if onwards and stage == names[-2]:
            # A derivative needs two more passes through each pruned layer, and one more through what follows it.
            derivative = np.asarray(jacobian_drift(network, pruned[0], images, device=embed.device))
            yield Candidate("derivative", "jacobian", stage, True, ratios[0], 1 + 2 * (passes - 1)), -derivative


def _differences(resampled: Bootstraps, reference: str, limit: float, name: str) -> pd.DataFrame:
    """By key and verifier: difference of the pAUC from the reference's, column `name`, with its interval."""
    columns = {"difference": name, "low": f"{name}_low", "high": f"{name}_high"}
    return differences_table(resampled, reference, limit)[["key", "verifier", *columns]].rename(columns=columns)
