"""Which training-free score ranks best, and at what price? All candidates are listed before any is computed."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.vectors import normalise
from prefiqs.evaluation.bootstrap import excess_of
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.tables import areas_table, differences_table
from prefiqs.faces.template import FACE_SIZE
from prefiqs.methods._probes import derivatives, private_copy, with_fixed_weights
from prefiqs.methods.prefiqs import drift, quality_from_drift
from prefiqs.methods.pruning_margin import PruningMargin, consensus
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.pruning.mask import embedding_layer, prunable_weights
from prefiqs.pruning.prune import prune
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.cost import pauc_by_cost
from prefiqs.reporting.figures.margin import excess_by_exponent, running_contributions
from prefiqs.reporting.study import Figure, Study, Table, saved_as

ONE, GRADIENT, TWO = "one pass", "one pass and a gradient", "two passes"
NORM, MARGIN = "norm ‖e‖", "pruning-margin ‖e‖·κ²"
LAST_RATIO = 0.6  # of the weights of the embedding layer, as chosen for a former method on other data
BATCH = 4  # faces at a time, for gradients


class Candidate(NamedTuple):
    """A score of n faces, (n,), higher = better. passes: its cost in forward passes, counted in multiply-adds."""

    group: str
    passes: float
    values: np.ndarray


class CandidatesStudy(Study):
    """Training-free scores by their cost; pAUC·10³, smaller is better.

    table: one row a candidate, best first. areas: one row a candidate and verifier, with the differences from the norm
    and from PreFIQs and their 95 % intervals. changes: these for the pruning margin. by_exponent: how much larger than
    the norm's the area of ‖e‖·κ^p is, with 90 % intervals.
    """

    table: Table = saved_as("candidates")
    areas: pd.DataFrame = saved_as("areas")
    changes: Table = saved_as("changes")
    by_exponent: pd.DataFrame = saved_as("by-exponent")
    price: Figure = saved_as("price")
    exponents: Figure = saved_as("exponents")
    contributions: Figure = saved_as("contributions")
    findings: list[str]


def candidates_study(run: Run, benchmark: str, model: str) -> CandidatesStudy:
    """Score a benchmark by every candidate on one estimator; compare them on the largest set of pairs of its faces."""
    benchmark = run.params.most_pairs_of(benchmark)
    edc, faces, verifiers = run.params.edc, run.benchmark(benchmark), run.verifiers(model)
    protocol, limit, prefiqs = edc.at_first_fmr, edc.limit, _with_ratio("PreFIQs", run.params.usual.ratio)
    network = private_copy(load_model(model, device=run.params.embed.device), "candidates", run.params.embed.device)
    probe = LastLayer(network)
    size = probe.weight.shape[1]
    seen, mirrored = (
        Evidence(both[:, :size], both[:, size:], probe.weight.cpu().numpy())
        for both in Embedder([(probe, "plain"), (probe, "mirrored")], device=run.params.embed.device)(faces.images)
    )
    ratios = sorted({*run.params.candidates.ratios, run.params.usual.ratio})
    pruned = {ratio: run.raw_embeddings(benchmark, model, PruningSpec(ratio)) for ratio in ratios}
    found = {
        **_of_the_last_layer(network, seen),
        **_of_gradients(network, np.asarray(faces.images), seen.length),
        **_of_two_passes(network, seen, mirrored, pruned),
    }
    exponents = {p: f"‖e‖·κ^{p:g}" for p in sorted({0.0, 2.0, *run.params.candidates.exponents})}
    exponents |= {0.0: NORM, 2.0: MARGIN}
    scores = {label: candidate.values for label, candidate in found.items()}
    scores |= {label: seen.length * seen.consensus**p for p, label in exponents.items() if label not in scores}
    comparison = run.comparison(benchmark, verifiers, scores)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)

    about = pd.DataFrame([(label, c.group, c.passes) for label, c in found.items()], columns=["key", "group", "passes"])
    pauc = areas_table(comparison.curves(protocol), limit)[["key", "verifier", "pauc"]]
    wide = pauc.pivot(index="key", columns="verifier", values="pauc")[verifiers]
    areas = about.merge(pauc)
    for rival, name in ((NORM, "from the norm"), (prefiqs, "from PreFIQs")):
        areas = areas.merge(_differences(resampled, rival, limit, name), how="left")
    relative = (wide / wide.loc[NORM]).mean(axis=1).rename("relative to the norm")
    table = about.join(wide, on="key").join(relative, on="key").sort_values(relative.name, ignore_index=True)

    where = f"{benchmark}, quality from {model}"
    setting = f"FMR {protocol.fmrs[0]:g}, discard up to {limit:g}, threshold {edc.threshold}"
    intervals = {f"{name}{end}": 2 for name in ("from the norm", "from PreFIQs") for end in ("", "_low", "_high")}
    changes = areas.loc[areas["key"] == MARGIN, ["verifier", "pauc", *intervals]].reset_index(drop=True)
    by_exponent = pd.DataFrame(
        [
            (verifier, p, *excess_of(wide.at[label, verifier], wide.at[NORM, verifier],
                                     *(1e3 * drawn.pauc(key, limit) for key in (label, NORM))))
            for (verifier, _), drawn in resampled.items() for p, label in exponents.items()
        ],
        columns=["verifier", "exponent", "excess", "low", "high"],
    )  # fmt: skip
    margin, named = found[MARGIN].values, {NORM: "norm", MARGIN: "pruning-margin", prefiqs: "prefiqs"}
    ends = {"lowest score": int(margin.argmin()), "highest score": int(margin.argmax())}
    return CandidatesStudy(
        table=Table(
            table.rename(columns={"key": "score"}),
            f"Training-free scores on {where}: pAUC·10³",
            best=dict.fromkeys([*verifiers, relative.name], "min"),
            digits=dict.fromkeys(verifiers, 2) | {"passes": 3, relative.name: 3},
            notes=f"{setting}. passes: forward passes of a face, in multiply-adds. relative to the norm: mean ratio of "
            "areas over the verifiers.",
        ),
        areas=areas,
        changes=Table(
            changes,
            f"‖e‖·κ² on {where}: pAUC·10³, and its differences from the norm and from {prefiqs}",
            digits={"pauc": 2, **intervals},
            intervals=("from the norm", "from PreFIQs"),
            notes=f"{setting}. Below 0, ‖e‖·κ² is better. In brackets: 95 % intervals, {edc.resamples} resamples.",
        ),
        by_exponent=by_exponent,
        price=pauc_by_cost(
            areas.assign(
                label=areas["key"], cost=areas["passes"], method=areas["key"].map(named).fillna(""),
                group=areas["group"].where(~areas["key"].isin(named), areas["key"]),
            ),
            "forward passes per face", f"{where}, FMR {protocol.fmrs[0]:g}",
        ),
        exponents=excess_by_exponent(by_exponent, 2.0, where),
        contributions=running_contributions({name: seen.contributions[row] for name, row in ends.items()}, where),
        findings=[_finding(table, areas, group) for group in (ONE, GRADIENT, TWO)],
        numbers={
            "relative": table.set_index("key")[relative.name].to_dict(),
            "passes": table.set_index("key")["passes"].to_dict(),
            "changes": changes.set_index("verifier").T.to_dict(),
            "median_consensus": float(np.median(seen.consensus)),
        },
    )  # fmt: skip


class LastLayer(PruningMargin):
    """A network that gives the D features that enter the embedding layer, and the d numbers of the embedding."""

    def __init__(self, model: FaceModel):
        super().__init__(model)
        self.embedding_size = sum(self.weight.shape)

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to features and embeddings, n×(D+d)."""
        return torch.cat(self.enter(prepared), dim=1)


class Evidence(NamedTuple):
    """Features that enter the embedding layer, n×D, the embeddings that it makes, n×d, and its weights, d×D."""

    features: np.ndarray
    embeddings: np.ndarray
    weight: np.ndarray

    @property
    def length(self) -> np.ndarray:
        """‖e‖."""
        return np.linalg.norm(self.embeddings, axis=1)

    @property
    def contributions(self) -> np.ndarray:
        """What each feature contributes to the length of the embedding: c_j = f_j·(Wᵀê)_j, n×D."""
        return self.features * (normalise(self.embeddings) @ self.weight)

    @property
    def consensus(self) -> np.ndarray:
        """κ = |Σ c_j| / Σ |c_j|."""
        return consensus(torch.from_numpy(self.contributions)).numpy()


def _of_the_last_layer(network: FaceModel, seen: Evidence) -> dict[str, Candidate]:
    """Scores from what enters and leaves the embedding layer.

    Closed forms: let features or weights of this layer be removed at random. To first order, the embedding moves by a
    variance whose part across its own direction is, up to a factor, Σ f_j²(‖W_j‖² − (W_j·ê)²) for features (which is
    SER-FIQ) and Σ W_ij²f_j²(1 − ê_i²) for weights. Along its direction it is Σ c_j² for features.
    """
    f, W, length, c = seen.features, seen.weight, seen.length, seen.contributions
    direction = normalise(seen.embeddings)
    across = (f**2 * (W**2).sum(axis=0) - c**2).sum(axis=1)
    across_of_weights = ((f**2 @ (W**2).T) * (1 - direction**2)).sum(axis=1)
    kept = LastLayer(prune(network, LAST_RATIO, layers=(embedding_layer(network),))).weight.cpu().numpy()
    without = {
        "worst half": seen.embeddings - (f * _worst(c)) @ W.T,
        "smallest weights": seen.embeddings - f @ (W - kept).T,
    }
    drifts = drift(direction, normalise(without["worst half"]))
    product = 1 + 2 * W.size / _flops(network, network)  # a second product with the weights
    scores = {
        "consensus κ": seen.consensus,
        MARGIN: length * seen.consensus**2,
        "random features, closed form (SER-FIQ)": length / np.sqrt(across),
        "random weights, closed form": length / np.sqrt(across_of_weights),
        "random features, along ê": length / np.sqrt((c**2).sum(axis=1)),
        "worst features removed, ‖e‖·(1 − D/2)": length * quality_from_drift(drifts),
        _with_ratio("last layer pruned, e_ρ·ê", LAST_RATIO): (without["smallest weights"] * direction).sum(axis=1),
    }
    return {NORM: Candidate(ONE, 1.0, length)} | {n: Candidate(ONE, product, s) for n, s in scores.items()}


def _worst(contributions: np.ndarray) -> np.ndarray:
    """Which features make up the larger half of the support of each embedding, the largest contributions first."""
    order = np.argsort(-contributions, axis=1)
    support = np.take_along_axis(contributions.clip(0), order, axis=1).cumsum(axis=1)
    removed = np.empty(contributions.shape, bool)
    np.put_along_axis(removed, order, support <= support[:, -1:] / 2, axis=1)
    return removed


def _of_gradients(network: FaceModel, images: np.ndarray, length: np.ndarray) -> dict[str, Candidate]:
    """The same sums at the inputs of earlier layers, with contributions c = a·∂‖e‖/∂a of activations a."""
    layers = [name.removesuffix(".weight") for name in prunable_weights(network)]
    depths = {"½": layers[len(layers) // 2], "¾": layers[3 * len(layers) // 4]}
    sums = contribution_sums(network, list(depths.values()))
    passes = _flops(network, sums) / _flops(network, network)
    found, agreements = {}, []
    for depth, (total, magnitude, squares) in zip(
        depths, (part.T for part in derivatives(sums, network, BATCH, "the candidates")(images)), strict=True
    ):
        agreements.append(np.abs(total) / magnitude)
        found[f"‖e‖·κ² at {depth} of the depth"] = length * agreements[-1] ** 2
        found[f"random features at {depth} of the depth"] = length / np.sqrt(squares)
    found["‖e‖·κ², geometric mean of both depths"] = length * np.prod(agreements, axis=0)
    return {name: Candidate(GRADIENT, passes, score) for name, score in found.items()}


def contribution_sums(model: FaceModel, layers: Sequence[str]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A function of n prepared faces that gives, for each layer, Σ c, Σ |c| and Σ c² over its input, n×3.

    c = a·∂‖e‖/∂a, through this layer alone where the input goes elsewhere, too.
    """
    forward = with_fixed_weights(model)

    def function(prepared: Tensor) -> tuple[Tensor, ...]:
        entered: list[Tensor] = []

        def enter(_, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
            entered.append(inputs[0].clone() if inputs[0].requires_grad else inputs[0].detach().requires_grad_())
            return (entered[-1],)

        with torch.enable_grad(), ExitStack() as hooks:
            for layer in layers:
                hooks.enter_context(model.get_submodule(layer).register_forward_pre_hook(enter))
            gradients = torch.autograd.grad(forward(prepared).norm(dim=1).sum(), entered)
        contributed = [(a.detach() * g).flatten(1) for a, g in zip(entered, gradients, strict=True)]
        return tuple(torch.stack([c.sum(1), c.abs().sum(1), (c**2).sum(1)], dim=1) for c in contributed)

    return function


def _of_two_passes(
    network: FaceModel, seen: Evidence, mirrored: Evidence, pruned: dict[float, np.ndarray]
) -> dict[str, Candidate]:
    """PreFIQs, its mixtures with the norm and the margin, and the margin of a face and its mirror image."""
    found, direction, margin = {}, normalise(seen.embeddings), seen.length * seen.consensus**2
    for ratio, moved in pruned.items():
        quality = quality_from_drift(drift(direction, normalise(moved)))
        found[_with_ratio("PreFIQs", ratio)] = quality
        found[_with_ratio("‖e‖·(1 − D/2)", ratio)] = seen.length * quality
        found[_with_ratio("‖e‖·κ²·(1 − D/2)", ratio)] = margin * quality
        found[_with_ratio("e_ρ·ê", ratio)] = (moved * direction).sum(axis=1)
    both = np.linalg.norm(seen.embeddings + mirrored.embeddings, axis=1) / 2
    found["½‖e + mirror‖"] = both
    found["½‖e + mirror‖·κ·κ of the mirror image"] = both * seen.consensus * mirrored.consensus
    return {name: Candidate(TWO, 2.0, score) for name, score in found.items()}


def _with_ratio(name: str, ratio: float) -> str:
    return f"{name}, ρ = {ratio:g}"


def _flops(network: FaceModel, function: Callable) -> int:
    """Operations in the products and convolutions of a function of one prepared face."""
    face = network.prepare(np.zeros((1, FACE_SIZE, FACE_SIZE, 3), np.uint8))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        function(face)
    return counter.get_total_flops()


def _differences(resampled: Bootstraps, reference: str, limit: float, name: str) -> pd.DataFrame:
    """By key and verifier: difference of the pAUC from the reference's, column `name`, with its interval."""
    columns = {"difference": name, "low": f"{name}_low", "high": f"{name}_high"}
    return differences_table(resampled, reference, limit)[["key", "verifier", *columns]].rename(columns=columns)


def _finding(table: pd.DataFrame, areas: pd.DataFrame, group: str) -> str:
    best = table[table["group"] == group].iloc[0]
    if best["key"] == NORM:
        return f"Best at {group}: the norm itself."
    of_best = areas[areas["key"] == best["key"]]
    better, worse = (of_best["from the norm_high"] < 0).sum(), (of_best["from the norm_low"] > 0).sum()
    return (
        f"Best at {group}: {best['key']}, {best['relative to the norm']:.3f} times the norm's area. The interval of "
        f"the difference is below 0 for {better} of {len(of_best)} verifiers, and above 0 for {worse}."
    )
