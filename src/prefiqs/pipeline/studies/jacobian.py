"""Table 2, Fig. 2a and 2b: is drift a derivative?"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from prefiqs.evaluation.bootstrap import difference_of, excess_of, numbered_people, people_draws
from prefiqs.evaluation.tables import area_text, areas_table, unreliable
from prefiqs.io.tables import read_parquet
from prefiqs.pipeline.identity import MethodId, Scores
from prefiqs.pipeline.params import Edc
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.distributions import scatter_agreement
from prefiqs.reporting.study import Figure, Study, Table, saved_as

TITLES = {"jacobian": "Jacobian drift (eq. 9)", "discrete": "discrete drift (eq. 4)"}
NO_DRIFT = "Every drift is the same, so faces are discarded in random order."
SAME_RANKING = 0.9  # the Spearman correlation from which two drifts count as ranking images alike
COLUMNS = ["verifier", "drift", "ratio", "fmr", "threshold", "limit", "fnmr", "pauc", "reliable"]


class JacobianStudy(Study):
    """Jacobian and discrete drift of one benchmark side by side, and as quality measures, where it has pairs.

    numbers: the relative difference is |‖J·Δθ‖ − D| / D; pauc_…: verified by the estimator, at the first FMR.
    pauc_change: pAUC of the Jacobian drift over that of the discrete drift, minus 1, with its 90 % interval.
    spearman_interval: 95 %, over people, of the Spearman correlation of both drifts of all faces.
    scatter: None where pruning changes no embedding.
    """

    scatter: Figure | None = saved_as("scatter")
    drifts: pd.DataFrame = saved_as("drifts")
    table: Table = saved_as("table2")
    ablation: Table = saved_as("ablation")
    findings: list[str]


def jacobian_study(run: Run, benchmark: str, model: str) -> JacobianStudy:
    """Compare the drifts that the stage `derivatives` computed: value by value, by rank, and as quality measures."""
    folder, ratio, edc = run.layout.derivatives(benchmark, model), run.params.jacobian.ratio, run.params.edc
    scores, faces = Scores.read(folder), run.benchmark(benchmark)
    jacobian = -scores[MethodId.of("jacobian", model, ratio=ratio)]
    discrete = -scores[MethodId.of_spec(model, PruningSpec(ratio))]

    drifts, change = pd.DataFrame(columns=COLUMNS), {}
    if len(faces.pairs):
        comparison = run.comparison(benchmark, run.verifiers(model), {"jacobian": -jacobian, "discrete": -discrete})
        areas = areas_table(comparison.curves(edc.protocol), edc.limit).rename(columns={"key": "drift"})
        drifts = areas.assign(ratio=ratio, threshold=edc.threshold, limit=edc.limit)[COLUMNS]
        drawn = comparison.select(comparison.scores, [model]).bootstrap(edc.protocol, edc.resamples, edc.seed)
        first = drawn[model, edc.fmr[0]]
        areas = [curve.pauc(edc.limit) for curve in first.curves.values()]
        change = {"pauc_change": excess_of(*areas, *(first.pauc(key, edc.limit) for key in first.curves))}
    usual = drifts[(drifts["verifier"] == model) & (drifts["fmr"] == edc.fmr[0])]
    sample = read_parquet(folder / "ablation.parquet", ["ratio", "face", "jacobian", "discrete"])
    of_ratio = sample.groupby("ratio")[["discrete", "jacobian"]]
    medians = of_ratio.median()
    ablation = pd.DataFrame({
        "spearman": of_ratio.apply(lambda part: spearmanr(part["discrete"], part["jacobian"]).statistic),
        "median discrete drift": medians["discrete"],
        "median Jacobian drift": medians["jacobian"],
    })  # fmt: skip
    verifiers = run.verifiers(model) if len(drifts) else []
    coarse = {name: f"{name} is not reliable" for name in verifiers}
    areas, few = (
        drifts.assign(few=~drifts["reliable"].astype(bool)).pivot(index=["fmr", "drift"], columns="verifier", values=of)
        for of in ("pauc", "few")
    )
    wide = areas.join(few.rename(columns=coarse)).reset_index()
    wide = wide.sort_values("fmr", ascending=False, kind="stable", ignore_index=True).replace({"drift": TITLES})
    with np.errstate(invalid="ignore"):  # no drift at all: 0 / 0
        relative = np.abs(jacobian - discrete) / discrete
    numbers = {
        "ratio": ratio,
        "spearman": spearmanr(discrete, jacobian).statistic,
        "spearman_interval": _spearman_interval(discrete, jacobian, faces.subjects, edc),
        "median_relative_difference": float(np.median(relative)),
        **{f"pauc_{row.drift}": row.pauc for row in usual.itertuples()},
        **change,
    }
    few_errors = unreliable(drifts.assign(fmr=drifts["fmr"].map("FMR {:g}".format)), "fmr")
    about = f"{sample['face'].nunique()} of {len(faces.images):,} images of {benchmark}"
    return JacobianStudy(
        scatter=scatter_agreement(
            discrete, jacobian, f"discrete drift D, ρ = {ratio:g}", "Jacobian drift ‖J·Δθ‖", f"{benchmark}, {model}"
        )
        if discrete.any()
        else None,
        drifts=drifts,
        table=Table(
            wide[["drift", "fmr", *verifiers, *coarse.values()]],
            f"pAUC·10³ on {benchmark}, drift of {model} at ρ = {ratio:g}, one column per verifier",
            best=dict.fromkeys(verifiers, "min"),
            within=dict.fromkeys(verifiers, ["fmr"]),
            digits=dict.fromkeys(verifiers, 2),
            notes=" ".join(filter(None, [few_errors, "" if np.ptp(discrete) else NO_DRIFT])),
            coarse=coarse,
        ),
        ablation=Table(ablation.reset_index(), f"Rank agreement of Jacobian and discrete drift, {about}"),
        findings=list(_findings(numbers, ablation["spearman"], model, len(faces.images), usual["reliable"].all())),
        numbers=numbers,
    )


def _spearman_interval(first: np.ndarray, second: np.ndarray, people: np.ndarray, edc: Edc) -> tuple[float, float]:
    """people: (n,) whose face each is."""
    numbers = numbered_people(people)
    draws = people_draws(numbers.max() + 1, edc.resamples, edc.seed)
    faces = (np.repeat(np.arange(len(numbers)), drawn[numbers]) for drawn in draws)
    return difference_of(np.nan, np.array([spearmanr(first[some], second[some]).statistic for some in faces]))[1:]


def _findings(numbers: Mapping[str, Any], few: pd.Series, verifier: str, faces: int, reliable: bool) -> Iterator[str]:
    """few: the correlation by ratio, of a few faces."""
    if np.isnan(numbers["spearman"]):
        yield f"At ρ = {numbers['ratio']:g}, there is nothing to rank: every drift is the same."
    else:
        low, high = numbers["spearman_interval"]
        yield (
            f"At ρ = {numbers['ratio']:g}, the two drifts of {faces:,} faces have a Spearman correlation of "
            f"{numbers['spearman']:.4f} (95 % interval {low:.4f} to {high:.4f}), and differ by "
            f"{100 * numbers['median_relative_difference']:.1f} % (median)."
        )
        if "pauc_jacobian" in numbers:
            areas = {title: area_text(numbers[f"pauc_{drift}"], reliable) for drift, title in TITLES.items()}
            paucs = " and ".join(f"{area} for the {title}" for title, area in areas.items())
            yield f"As quality measures, verified by {verifier}, their pAUC·10³ is {paucs}."
    ratios = ", ".join(f"{ratio:g}" for ratio in few.index[few >= SAME_RANKING])
    where = f"ρ = {ratios}" if ratios else "no ratio"
    yield f"On the few faces, the rankings agree (Spearman ≥ {SAME_RANKING:g}) at {where}."
