"""Is the length of an embedding a better quality if the features that make it agree?"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from prefiqs.embedding.embedder import Embedder
from prefiqs.evaluation.bootstrap import excess_of
from prefiqs.evaluation.tables import areas_table
from prefiqs.methods.pruning_margin import PruningMargin, consensus
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import load_model
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.margin import excess_by_exponent, running_contributions
from prefiqs.reporting.study import Figure, Study, Table, saved_as

CHOSEN = 2.0  # the exponent of the method pruning-margin
CLOSED_FORM = "closed form of SER-FIQ"


class MarginStudy(Study):
    """‖e‖·κ^p for several exponents p, beside the other scores of a benchmark; pAUC·10³, smaller is better.

    table: one row a score, one column a verifier. changes: of the exponent 2, the difference from the norm and from
    PreFIQs, with 95 % intervals. by_exponent: how much larger than the norm's each area is, with 90 % intervals.
    """

    table: Table = saved_as("margin")
    changes: Table = saved_as("changes")
    by_exponent: pd.DataFrame = saved_as("by-exponent")
    exponents: Figure = saved_as("exponents")
    contributions: Figure = saved_as("contributions")
    findings: list[str]


class MarginParts(PruningMargin):
    """‖e‖, κ and the closed form of SER-FIQ of each face, n×3.

    Dropout on the features moves the embedding across its own direction by a variance of Σ_j f_j²(‖W_j‖² − (W_j·ê)²),
    up to a factor; the closed form is the length of the embedding over the standard deviation.
    """

    squares: Tensor

    def __init__(self, model: FaceModel):
        super().__init__(model)
        self.embedding_size = 3
        self.register_buffer("squares", (self.weight**2).sum(dim=0))

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to the three numbers."""
        features, embeddings = self.enter(prepared)
        contributions, length = self.contributions(features, embeddings), embeddings.norm(dim=1)
        variance = (features**2 * self.squares - contributions**2).sum(dim=1)
        return torch.stack([length, consensus(contributions), length / variance.clamp(min=1e-12).sqrt()], dim=1)


def margin_study(run: Run, benchmark: str, model: str) -> MarginStudy:
    """Weight the norm of an estimator's embeddings by the consensus of its features, and compare with other scores."""
    edc, faces, verifiers = run.params.edc, run.benchmark(benchmark), run.verifiers(model)
    parts = MarginParts(load_model(model, device=run.params.embed.device))
    length, agreement, closed = Embedder([parts], device=run.params.embed.device)(faces.images)[0].T

    exponents = {f"‖e‖·κ^{p:g}": p for p in sorted({*run.params.margin.exponents, CHOSEN})}
    own = {name: length * agreement**p for name, p in exponents.items()}
    chosen, norm = f"‖e‖·κ^{CHOSEN:g}", MethodId.of("norm", model).key
    prefiqs = MethodId.of_spec(model, run.params.usual)
    scores = run.all_scores(benchmark, model)
    pruned = (scores.methods["method"] == "prefiqs") & scores.methods["granularity"].notna()
    scores = scores.where(~pruned | (scores.methods["key"] == prefiqs.key))
    labels = scores.labels | {name: name for name in (*own, CLOSED_FORM)}
    comparison = run.comparison(benchmark, verifiers, scores.values | own | {CLOSED_FORM: closed})
    protocol, limit = edc.at_first_fmr, edc.limit
    drawn = {v: d for (v, _), d in comparison.bootstrap(protocol, edc.resamples, edc.seed).items()}

    pauc = areas_table(comparison.curves(protocol), limit).pivot(index="key", columns="verifier", values="pauc")
    table = pauc[verifiers].rename(index=labels).rename_axis("score", axis=0).rename_axis(None, axis=1)
    table["relative to the norm"] = (pauc[verifiers] / pauc.loc[norm, verifiers]).mean(axis=1).to_numpy()
    table = table.sort_values("relative to the norm", kind="stable").reset_index()
    rows, excesses = [], []
    for verifier, curves in drawn.items():
        both = [curves.difference(chosen, rival, limit)[:3] for rival in (norm, prefiqs.key)]
        rows.append((verifier, *1e3 * np.array([curves.curves[chosen].pauc(limit), *both[0], *both[1]])))
        for name, exponent in exponents.items():
            area, of_norm = (curves.curves[key].pauc(limit) for key in (name, norm))
            excess = excess_of(area, of_norm, curves.pauc(name, limit), curves.pauc(norm, limit))
            excesses.append((verifier, exponent, *excess))
    columns = [f"from {rival}{end}" for rival in ("the norm", "PreFIQs") for end in ("", "_low", "_high")]
    changes = pd.DataFrame(rows, columns=["verifier", "pauc", *columns])
    by_exponent = pd.DataFrame(excesses, columns=["verifier", "exponent", "excess", "low", "high"])

    where = f"{benchmark}, quality from {model}"
    best = dict.fromkeys([*verifiers, "relative to the norm"], "min")
    about = f"FMR {protocol.fmrs[0]:g}, discard up to {limit:g}, threshold {edc.threshold}"
    quality = own[chosen]
    ends = {"lowest score": int(quality.argmin()), "highest score": int(quality.argmax())}
    return MarginStudy(
        table=Table(
            table,
            f"Scores on {where}: pAUC·10³",
            best=best,
            digits=dict.fromkeys(verifiers, 2),
            notes=f"{about}. PreFIQs: {prefiqs.label}. relative to the norm: mean ratio of areas over verifiers.",
        ),
        changes=Table(
            changes,
            f"‖e‖·κ² on {where}: pAUC·10³, and its differences from the norm and from {prefiqs.label}",
            digits=2,
            intervals=("from the norm", "from PreFIQs"),
            notes=f"{about}. Below 0, ‖e‖·κ² is better. In brackets: 95 % intervals, {edc.resamples} resamples.",
        ),
        by_exponent=by_exponent,
        exponents=excess_by_exponent(by_exponent, CHOSEN, where),
        contributions=running_contributions(
            {name: _contributions(parts, faces.images[row]) for name, row in ends.items()}, where
        ),
        findings=[_finding(row, rival) for row in changes.to_dict("records") for rival in ("the norm", "PreFIQs")],
        numbers={"changes": changes.set_index("verifier").T.to_dict(), "median_consensus": float(np.median(agreement))},
    )


def _contributions(parts: MarginParts, face: np.ndarray) -> np.ndarray:
    """What each feature contributes to the length of the embedding of one face, (D,)."""
    with torch.no_grad():
        return parts.contributions(*parts.enter(parts.prepare(face[None])))[0].cpu().numpy()


def _finding(change: dict[str, float], rival: str) -> str:
    estimate, low, high = (change[f"from {rival}{end}"] for end in ("", "_low", "_high"))
    verdict = "better than" if high < 0 else "worse than" if low > 0 else "not distinguishable from"
    interval = f"{estimate:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}".replace("-", "−")
    return f"Verifier {change['verifier']}: ‖e‖·κ² is {verdict} {rival} (difference {interval})."
