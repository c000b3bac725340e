"""Fig. 2: where faces of each quality label lie, by drift and by quality."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd

from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.distributions import density_panels
from prefiqs.reporting.study import Figure, Study, Table, saved_as

EXTERNAL_PANELS = 2  # Fig. 2d and 2e: of that many score files


class DensityStudy(Study):
    """Drift and quality of one benchmark over a quality label, higher = better: its own, else 1 − severity.

    numbers: Spearman correlations with the label, of "jacobian" and "discrete" (minus the drift) and of PreFIQs under
    the key of its pruned network; within_kind is NaN where all labels are the same; drawn: what the panels show.
    """

    figure: Figure = saved_as("density")
    table: Table = saved_as("within-kind")
    findings: list[str]


def density_study(run: Run, benchmark: str, model: str) -> DensityStudy:
    """Put both drifts, PreFIQs, and scores of other tools where there are any, over the quality label."""
    index, spec, ratio = run.benchmark(benchmark).index, run.params.usual, run.params.jacobian.ratio
    label, xlabel = 1 - index["severity"], "quality label, 1 − severity"
    if "quality" in index:
        label, xlabel = index["quality"], "quality label"
    drifts = Scores.read(run.layout.derivatives(benchmark, model))
    jacobian = drifts[MethodId.of("jacobian", model, ratio=ratio)]
    discrete = drifts[MethodId.of_spec(model, PruningSpec(ratio))]
    quality = Scores.read(run.layout.scores(benchmark, model))[MethodId.of_spec(model, spec)]

    drawn = {
        f"Jacobian drift, ρ = {ratio:g}": -jacobian,
        f"discrete drift, ρ = {ratio:g}": -discrete,
        f"PreFIQs, ρ = {spec.ratio:g}": quality,
    }
    names = list(drawn)
    drawn = {name: scores for name, scores in drawn.items() if np.ptp(scores)}  # not where pruning changes nothing
    drawn |= {method.label: s for method, s in islice(run.external_scores(benchmark).items(), EXTERNAL_PANELS)}

    ranked = pd.DataFrame({"label": label, "jacobian": jacobian, "discrete": discrete, spec.key: quality})
    correlation = ranked.corr(method="spearman")["label"].drop("label")
    by_kind = ranked[["label", spec.key]].groupby(index["degradation"])
    within = by_kind.corr(method="spearman").xs("label", level=1)[spec.key]
    table = within.dropna().sort_values().rename("Spearman").rename_axis("degradation").reset_index()
    return DensityStudy(
        figure=density_panels(label, drawn, xlabel, f"{benchmark}, quality from {model}"),
        table=Table(table, f"Rank correlation of PreFIQs, {spec.label}, with the label, by kind of degradation"),
        findings=list(_findings(correlation.set_axis(names), table)),
        numbers={"spearman_with_label": correlation.to_dict(), "within_kind": within.to_dict(), "drawn": list(drawn)},
    )


def _findings(correlation: pd.Series, within: pd.DataFrame) -> Iterator[str]:
    known = ", ".join(f"{value:.3f} ({name})" for name, value in correlation.dropna().items())
    yield f"Spearman correlation with the label (drifts with a minus sign): {known}."
    for name in correlation.index[correlation.isna()]:
        yield f"None for {name}: all faces have the same value."
    if len(within):
        ends = " to ".join(f"{row.Spearman:.3f} ({row.degradation})" for row in within.iloc[[0, -1]].itertuples())
        yield f"Within one kind of degradation, PreFIQs has {ends}."
