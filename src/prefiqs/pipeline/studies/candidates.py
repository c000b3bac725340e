"""Which training-free score ranks best, and at what price? All candidates are listed before any is computed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from prefiqs.embedding.embedder import Embedder
from prefiqs.embedding.flops import flops
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
from prefiqs.reporting.figures.cost import pauc_by_cost
from prefiqs.reporting.figures.margin import excess_by_exponent, running_contributions
from prefiqs.reporting.study import Figure, Study, Table, saved_as

ONE, GRADIENT, TWO = "one pass", "one pass and a gradient", "two passes"
NORM, CONSENSUS, MARGIN = "norm ‖e‖", "consensus κ", "pruning-margin ‖e‖·κ²"
MIRRORED = ("½‖e + mirror‖", "½‖e + mirror‖·κ·κ of the mirror image")  # which take two passes
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
    changes: Table
    by_exponent: pd.DataFrame
    price: Figure = saved_as("price")
    exponents: Figure = saved_as("exponents")
    contributions: Figure = saved_as("contributions")
    findings: list[str]


def candidates_study(run: Run, benchmark: str, model: str) -> CandidatesStudy:
    """Score a benchmark by every candidate on one estimator; compare them on the largest set of pairs of its faces."""
    benchmark = run.params.most_pairs_of(benchmark)
    edc, faces, verifiers = run.params.edc, run.benchmark(benchmark), run.verifiers(model)
    protocol, limit, prefiqs = edc.at_first_fmr, edc.limit, _with_ratio("PreFIQs", run.params.usual.ratio)
    device = run.params.embed.device
    probe = LastLayer(private_copy(load_model(model, device=device), "candidates", device))
    found = candidates(run, benchmark, probe)
    exponents = {p: f"‖e‖·κ^{p:g}" for p in sorted({0.0, 2.0, *run.params.candidates.exponents})}
    exponents |= {0.0: NORM, 2.0: MARGIN}
    scores = {label: candidate.values for label, candidate in found.items()}
    scores |= {label: scores[NORM] * scores[CONSENSUS] ** p for p, label in exponents.items() if label not in scores}
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
    named, margin = {NORM: "norm", MARGIN: "pruning-margin", prefiqs: "prefiqs"}, scores[MARGIN]
    worst, best = (np.asarray(faces.images[int(row)]) for row in (np.argmin(margin), np.argmax(margin)))
    ends = {"lowest score": probe.evidence_of(worst[None]), "highest score": probe.evidence_of(best[None])}
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
                panel="verifier " + areas["verifier"], label=areas["key"], cost=areas["passes"],
                method=areas["key"].map(named).fillna(""),
                group=areas["group"].where(~areas["key"].isin(named), areas["key"]),
            ),
            "forward passes per face", f"{where}, FMR {protocol.fmrs[0]:g}",
        ),
        exponents=excess_by_exponent(by_exponent, 2.0, where),
        contributions=running_contributions({name: seen.contributions[0] for name, seen in ends.items()}, where),
        findings=[_finding(table, areas, group) for group in (ONE, GRADIENT, TWO)],
        numbers={
            "relative": table.set_index("key")[relative.name].to_dict(),
            "passes": table.set_index("key")["passes"].to_dict(),
            "changes": changes.set_index("verifier").T.to_dict(),
            "median_consensus": float(np.median(scores[CONSENSUS])),
        },
    )  # fmt: skip


def relative_areas(areas: pd.DataFrame) -> pd.Series:
    """Areas, as in `CandidatesStudy`, over that of the norm with the same verifier."""
    norm = areas[areas["key"] == NORM].set_index("verifier")["pauc"]
    return areas["pauc"] / areas["verifier"].map(norm)


class LastLayer(PruningMargin):
    """A network that gives the D features that enter the embedding layer, and the d numbers of the embedding."""

    def __init__(self, model: FaceModel):
        super().__init__(model)
        self.embedding_size = sum(self.weight.shape)

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to features and embeddings, n×(D+d)."""
        return torch.cat(self.enter(prepared), dim=1)

    def evidence(self, both: np.ndarray) -> "Evidence":
        """What `forward` gave, with the weights."""
        size = self.weight.shape[1]
        return Evidence(both[:, :size], both[:, size:], self.weight.cpu().numpy())

    def evidence_of(self, images: np.ndarray) -> "Evidence":
        """The evidence of a few aligned faces."""
        with torch.no_grad():
            return self.evidence(self(self.prepare(images)).cpu().numpy())


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


def candidates(run: Run, benchmark: str, probe: LastLayer) -> dict[str, Candidate]:
    """Every candidate on the faces of a benchmark, by its label."""
    network, images, device = probe.model, run.benchmark(benchmark).images, run.params.embed.device
    pruned = LastLayer(prune(network, LAST_RATIO, layers=(embedding_layer(network),)))
    removed = (probe.weight - pruned.weight).cpu().numpy()
    # Batch by batch, because there may be 50,000 features.
    parts = [
        _of_the_last_layer(probe.evidence(plain), probe.evidence(mirrored), removed)
        for plain, mirrored in Embedder([(probe, "plain"), (probe, "mirrored")], device=device).stream(images)
    ]
    last = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    sums = contribution_sums(network)
    gradients = derivatives(sums, network, BATCH, "the candidates")(np.asarray(images))
    ratios = {*run.params.candidates.ratios, run.params.usual.ratio}
    specs = [spec for spec in run.params.prune.main if spec.ratio in ratios]
    moved = {spec.ratio: run.raw_embeddings(benchmark, network.name, spec) for spec in specs}
    by_cost = (
        (ONE, 1 + 2 * removed.size / flops(network), last),  # a second product with the weights
        (GRADIENT, _flops_of(sums, network) / flops(network), _of_gradients(gradients, last[NORM])),
        (TWO, 2.0, _of_two_passes(run.raw_embeddings(benchmark, network.name), moved, last)),
    )
    found = {name: Candidate(group, cost, of[name]) for group, cost, of in by_cost for name in of}
    found[NORM] = Candidate(ONE, 1.0, last[NORM])
    return found | {name: Candidate(TWO, 2.0, last[name]) for name in MIRRORED}


def _of_the_last_layer(seen: Evidence, mirrored: Evidence, removed: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from what enters and leaves the embedding layer, of faces and of their mirror images.

    Closed forms: let features or weights of this layer be removed at random. To first order, the embedding moves by a
    variance whose part across its own direction is, up to a factor, Σ f_j²(‖W_j‖² − (W_j·ê)²) for features (which is
    SER-FIQ) and Σ W_ij²f_j²(1 − ê_i²) for weights. Along its direction it is Σ c_j² for features.

    removed: the weights that L1 pruning of this layer removes, d×D, 0 elsewhere.
    """
    f, W, length, c, kappa = seen.features, seen.weight, seen.length, seen.contributions, seen.consensus
    direction = normalise(seen.embeddings)
    across = (f**2 * (W**2).sum(axis=0) - c**2).sum(axis=1)
    across_of_weights = ((f**2 @ (W**2).T) * (1 - direction**2)).sum(axis=1)
    without_worst = seen.embeddings - (f * _worst(c)) @ W.T
    both = np.linalg.norm(seen.embeddings + mirrored.embeddings, axis=1) / 2
    return {
        NORM: length,
        CONSENSUS: kappa,
        MARGIN: length * kappa**2,
        "random features, closed form (SER-FIQ)": length / np.sqrt(across),
        "random weights, closed form": length / np.sqrt(across_of_weights),
        "random features, along ê": length / np.sqrt((c**2).sum(axis=1)),
        "worst features removed, ‖e‖·(1 − D/2)": length
        * quality_from_drift(drift(direction, normalise(without_worst))),
        _with_ratio("last layer pruned, e_ρ·ê", LAST_RATIO): ((seen.embeddings - f @ removed.T) * direction).sum(
            axis=1
        ),
        MIRRORED[0]: both,
        MIRRORED[1]: both * kappa * mirrored.consensus,
    }


def _worst(contributions: np.ndarray) -> np.ndarray:
    """Which features make up the larger half of the support of each embedding, the largest contributions first."""
    order = np.argsort(-contributions, axis=1)
    support = np.take_along_axis(contributions.clip(0), order, axis=1).cumsum(axis=1)
    removed = np.empty(contributions.shape, bool)
    np.put_along_axis(removed, order, support <= support[:, -1:] / 2, axis=1)
    return removed


def _of_gradients(sums: Sequence[np.ndarray], length: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from what `contribution_sums` gives, halfway and at three quarters of the network."""
    found, agreements = {}, []
    for depth, (total, magnitude, squares) in zip(("½", "¾"), (part.T for part in sums), strict=True):
        agreements.append(np.abs(total) / magnitude)
        found[f"‖e‖·κ² at {depth} of the depth"] = length * agreements[-1] ** 2
        found[f"random features at {depth} of the depth"] = length / np.sqrt(squares)
    found["‖e‖·κ², geometric mean of both depths"] = length * np.prod(agreements, axis=0)
    return found


def contribution_sums(model: FaceModel) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """A function of n prepared faces that gives Σ c, Σ |c| and Σ c², n×3, halfway and at three quarters of the layers.

    c = a·∂‖e‖/∂a for the input a of a layer, through this layer alone where the input goes elsewhere, too.
    """
    forward, names = with_fixed_weights(model), list(prunable_weights(model))
    layers = [names[len(names) * quarters // 4].removesuffix(".weight") for quarters in (2, 3)]

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
    plain: np.ndarray, pruned: Mapping[float, np.ndarray], last: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """PreFIQs and its mixtures with the norm and the margin. plain, pruned: raw embeddings, the latter by ratio."""
    found, direction = {}, normalise(plain)
    for ratio, moved in pruned.items():
        quality = quality_from_drift(drift(direction, normalise(moved)))
        found[_with_ratio("PreFIQs", ratio)] = quality
        found[_with_ratio("‖e‖·(1 − D/2)", ratio)] = last[NORM] * quality
        found[_with_ratio("‖e‖·κ²·(1 − D/2)", ratio)] = last[MARGIN] * quality
        found[_with_ratio("e_ρ·ê", ratio)] = (moved * direction).sum(axis=1)
    return found


def _with_ratio(name: str, ratio: float) -> str:
    return f"{name}, ρ = {ratio:g}"


def _flops_of(function: Callable, network: FaceModel) -> int:
    """As `flops`, of a function of a prepared face, which is computed."""
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
        f"Best at {group}, chosen on these data: {best['key']}, {best['relative to the norm']:.3f} times the norm's "
        f"area. The interval of the difference is below 0 for {better} of {len(of_best)} verifiers, and above 0 for "
        f"{worse}; it is not corrected for the choice."
    )
