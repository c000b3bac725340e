"""Table 3 and Fig. 3: does discarding by quality help recognition?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from prefiqs.evaluation.bootstrap import BootstrapCurves, Difference, difference_of, excess_of
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.edc import THRESHOLDS
from prefiqs.evaluation.tables import (
    FEW_ERRORS,
    areas_table,
    curves_table,
    differences_table,
    intervals_table,
    random_curves_table,
    random_table,
)
from prefiqs.pipeline.identity import COLUMNS, MethodId, short
from prefiqs.pipeline.params import Edc
from prefiqs.pipeline.run import Run
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import forest, lines_by_ratio
from prefiqs.reporting.figures.curves import edc_grid
from prefiqs.reporting.figures.style import FROM_THE_NORM, PAUC_LABEL
from prefiqs.reporting.study import Figure, Study, Table, saved_as
from prefiqs.reporting.tables import marked

OURS = ("unstructured", "l1")
FROM_NORM = {"difference": "from_norm", "low": "from_norm_low", "high": "from_norm_high"}
RIVALS = {"to_structured": ("structured", "l1"), "to_random_pruning": ("unstructured", "random")}
"""Differences to other strategies, granularity and criterion, by their name among the numbers."""


class EdcStudy(Study):
    """The curve of each score of a benchmark for each verifier, with areas and findings.

    Areas are pAUC·10³, smaller = better; FNMR and FMR are shares in [0, 1]. Frames are as in `evaluation.tables`, and
    each row identifies its method (`key` and `identity.COLUMNS`). Table, figures and numbers are for the first FMR and
    the threshold convention of the parameters.

    areas: for both conventions. If it was resampled: pauc_low, pauc_high: 95 % interval; from_norm, from_norm_low,
    from_norm_high: the difference from the norm, paired, below 0 = better; random, random_low, random_high: mean, least
    and largest area of random orders. intervals: the main result, each method minus the norm. by_ratio: with the
    estimator as verifier; None if it makes fewer than `FEW_ERRORS`, or for one ratio. findings: one paragraph per
    verifier, and how far to rely on them.
    """

    areas: pd.DataFrame = saved_as("areas")
    points: pd.DataFrame = saved_as("edc.parquet")
    random: pd.DataFrame
    random_points: pd.DataFrame = saved_as("random-edc")
    table: Table = saved_as("table3")
    by_ratio: Figure | None = saved_as("pauc")
    intervals: Figure = saved_as("intervals")
    curves: Figure = saved_as("edc")
    findings: list[str]


def edc_study(run: Run, benchmark: str, model: str) -> EdcStudy:
    """Discard by every score of a benchmark, and by chance, and see how the errors of each verifier fall."""
    prune, edc, usual = run.params.prune, run.params.edc, run.params.usual
    protocol, fmr = edc.protocol, edc.fmr[0]
    verifiers, scores = run.verifiers(model), run.all_scores(benchmark, model)
    keys = {spec: MethodId.of_spec(model, spec).key for spec in prune.specs_of(model)}
    norm, oracle = MethodId.of("norm", model).key, MethodId.severity().key
    comparison = run.comparison(benchmark, verifiers, scores.values)
    curves = {name: comparison.curves(replace(protocol, threshold=name)) for name in THRESHOLDS}
    chance = comparison.random_orders(protocol, edc.random_orders)
    bootstraps = comparison.bootstrap(protocol, edc.resamples, edc.seed)

    def identified(table: pd.DataFrame) -> pd.DataFrame:
        named = scores.methods.merge(table, "right", "key")
        return named[["key", *COLUMNS, *table.columns.drop("key")]]

    areas = pd.concat(areas_table(found, edc.limit).assign(threshold=name) for name, found in curves.items())
    where, random = ["verifier", "key", "fmr", "threshold"], random_table(chance)
    for table, columns in (
        (intervals_table(bootstraps, edc.limit), {name: name for name in ("pauc_low", "pauc_high")}),
        (differences_table(bootstraps, norm, edc.limit), FROM_NORM),
        (random, {"pauc_mean": "random", "pauc_min": "random_low", "pauc_max": "random_high"}),
    ):
        more = table.rename(columns=columns).assign(threshold=edc.threshold)
        areas = areas.merge(more[[*more.columns.intersection(where, sort=False), *columns.values()]], "left")
    areas = areas.assign(limit=edc.limit)
    areas = identified(areas[[*where, "limit", *areas.columns.drop([*where, "limit"])]])

    chosen = areas[(areas["fmr"] == fmr) & (areas["threshold"] == edc.threshold)]
    line = random[random["fmr"] == fmr].set_index("verifier")
    paucs = chosen.pivot(index="key", columns="verifier", values="pauc")[verifiers].rename_axis(columns=None)
    best = min(prune.main, key=lambda spec: np.nan_to_num(paucs.loc[keys[spec], model], nan=np.inf))
    ours, about = keys[best], f"{benchmark}, quality from {model}, FMR {fmr:g}"
    curve = {(verifier, key): found for (verifier, key, at), found in curves[edc.threshold].items() if at == fmr}
    # In figures: PreFIQs at its usual and at its best ratio, and all other methods.
    names = {
        keys[usual]: short(scores.labels[keys[usual]]),
        keys[best]: f"{short(scores.labels[keys[best]])} (best here)",
    }
    others = scores.methods[scores.methods["granularity"].isna()]
    names |= dict(zip(others["key"], marked(others), strict=True))
    points, random_points = identified(curves_table(curves[edc.threshold])), random_curves_table(chance)

    by_spec = chosen[chosen["key"].isin(keys.values())]
    by_spec = by_spec.set_index(["granularity", "criterion", "ratio", "verifier"])["pauc"].unstack(sort=False)
    by_spec = by_spec.rename_axis(columns=None).assign(mean=by_spec.mean(axis=1, skipna=False)).reset_index()
    rejected = chosen.groupby("verifier")["errors"].first()
    named = ", ".join(rejected.index[rejected < FEW_ERRORS])
    few = f" Fewer than {FEW_ERRORS} errors to compare, so no third digit: {named}." if named else ""
    order = ", ".join(f"{v} {line.pauc_mean[v]:.2f} ± {line.pauc_std[v]:.2f}" for v in verifiers)
    coarse = {verifier: f"{verifier} has few errors" for verifier in verifiers}
    table = Table(
        by_spec.assign(**{mark: rejected[verifier] < FEW_ERRORS for verifier, mark in coarse.items()}),
        f"pAUC·10³ on {benchmark}, quality from {model}",
        best=dict.fromkeys([*verifiers, "mean"], "min"),
        digits=2,
        coarse=coarse,
        notes=f"FMR {fmr:g}, discard up to {edc.limit:g}, threshold {edc.threshold}. Random order: {order}. "
        f"Embedding norm: {', '.join(f'{v} {paucs.loc[norm, v]:.2f}' for v in verifiers)}.{few}",
    )
    found = chosen[chosen["key"] == ours].set_index("verifier")
    drawn = {verifier: bootstraps[verifier, fmr] for verifier in verifiers}
    main = {f"{spec.ratio:g}": keys[spec] for spec in prune.main}
    changes = changes_of_best(drawn, model, main, norm, edc.limit)
    numbers: dict[str, Any] = {
        "best_variant": best.label,
        "fnmr_without_discard": found["fnmr"].to_dict(),
        "pauc_best": found["pauc"].to_dict(),
        "pauc_best_interval": found[["pauc_low", "pauc_high"]].T.to_dict("list"),
        "pauc_random_mean": line["pauc_mean"].to_dict(),
        "pauc_random_min": line["pauc_min"].to_dict(),
        "pauc_norm": paucs.loc[norm].to_dict(),
        **changes,
        **{name: changes_by_ratio(drawn, keys, rival, edc.limit) for name, rival in RIVALS.items()},
        "usual_ratio": {"ratio": usual.ratio, "pauc": paucs.loc[keys[usual], model]},
        "pairs": {"genuine": curve[model, norm].n_genuine[0], "impostor": curve[model, norm].n_impostor[0]},
        "resampled": bootstraps[model, fmr].unit,
        "resamples": edc.resamples,
    }
    levels = {"embedding norm": ("norm", paucs.loc[norm, model])}
    if oracle in paucs.index:
        numbers["pauc_severity"] = paucs.loc[oracle].to_dict()
        levels["true severity"] = ("severity", paucs.loc[oracle, model])
    by_ratio = None
    if rejected[model] >= FEW_ERRORS and by_spec["ratio"].nunique() > 1:
        pruned = chosen[chosen["key"].isin(keys.values()) & (chosen["verifier"] == model)]
        pruned = pruned.assign(strategy=pruned["granularity"] + " " + pruned["criterion"])
        by_ratio = lines_by_ratio(pruned, "pauc", f"{about}, verifier {model}", levels, line.loc[model])
    return EdcStudy(
        areas=areas,
        points=points,
        random=random,
        random_points=random_points,
        table=table,
        by_ratio=by_ratio,
        intervals=against_norm_figure(
            _named(chosen, names), chosen[chosen["key"] == norm], curve[model, norm].n_genuine[0], about
        ),
        curves=edc_grid(
            _named(points, names).assign(benchmark=benchmark),
            random_points.assign(benchmark=benchmark),
            fmr,
            edc.limit,
            about,
            rows="benchmark",
            columns="verifier",
        ),
        numbers=numbers,
        findings=[
            f"PreFIQs is best with {best.label}: the smallest pAUC on these data with {model} as verifier.",
            *(_verdict(verifier, model, edc, numbers, curve[verifier, norm]) for verifier in verifiers),
            _reliability(areas),
        ],
    )


def _named(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The rows whose keys have a name, with it as their label, in the order of the names."""
    order = {key: place for place, key in enumerate(names)}
    shown = table[table["key"].isin(names)].sort_values("key", key=lambda keys: keys.map(order), kind="stable")
    return shown.assign(label=shown["key"].map(names))


def against_norm_figure(
    areas: pd.DataFrame,
    norm: pd.DataFrame,
    pairs: int,
    title: str,
) -> Figure:
    """The main result: the pAUC of each method, and the mean of random orders, minus that of the norm.

    areas, norm: rows of `EdcStudy.areas` at one FMR, labelled, and those of the norm. pairs: genuine ones.
    """
    chance = norm.assign(key="random", label="random orders, mean", method="random")
    chance["from_norm"] = norm["random"] - norm["pauc"]
    table = pd.concat([areas[areas["method"] != "norm"], chance])
    table = table.rename(columns={"from_norm": "estimate", "from_norm_low": "low", "from_norm_high": "high"})
    headings = {
        of.verifier: f"verifier {of.verifier}\n{of.errors:,} of {pairs:,} rejected\nnorm: {PAUC_LABEL} {of.pauc:.2f}"
        for of in norm.itertuples()
    }
    return forest(table.assign(verifier=table["verifier"].map(headings)), title, FROM_THE_NORM)


def changes_of_best(
    drawn: Mapping[str, BootstrapCurves], model: str, by_ratio: Mapping[str, str], norm: str, limit: float
) -> dict[str, Any]:
    """How the best ratio, by the estimator's own verifications, compares; it is chosen anew in each resample.

    by_ratio: keys. difference_to_norm, difference_to_random: by verifier, pAUC·10³ minus that of the norm or of a
    random order, with its 95 % interval. excess: by ratio, how much larger its area is than that of the best,
    relatively, with its 90 % interval, see `excess_of`; verified by the estimator.
    """
    judge, keys = drawn[model], list(by_ratio.values())
    best = min(keys, key=lambda key: np.nan_to_num(judge.curves[key].pauc(limit), nan=np.inf))
    to_norm, to_random = {}, {}
    for verifier, curves in drawn.items():
        area, areas = curves.curves[best].pauc(limit), curves.pauc_of_best(keys, judge, limit)
        change = difference_of(area - curves.curves[norm].pauc(limit), areas - curves.pauc(norm, limit))
        to_norm[verifier] = per_mille(change)
        level, levels = curves.curves[norm].fnmr[0], curves.fnmr[norm][:, 0]  # before anything is discarded
        to_random[verifier] = per_mille(difference_of(area - limit * level, areas - limit * levels))
    area, areas = judge.curves[best].pauc(limit), judge.pauc_of_best(keys, judge, limit)
    excess = {
        ratio: excess_of(judge.curves[key].pauc(limit), area, judge.pauc(key, limit), areas)
        for ratio, key in by_ratio.items()
    }
    return {"difference_to_norm": to_norm, "difference_to_random": to_random, "excess": excess}


def changes_by_ratio(
    drawn: Mapping[str, BootstrapCurves], keys: Mapping[PruningSpec, str], rival: tuple[str, str], limit: float
) -> dict[str, list[float]]:
    """pAUC·10³ of unstructured L1 pruning minus that of a rival at the same ratio, mean over the verifiers.

    By ratio, and as "mean" over the ratios: estimate, low and high end of the 95 % interval. Empty if one of the two
    strategies was not computed.
    """
    estimates, resampled = {}, {}
    by_ratio: dict[tuple[str, str], dict[str, str]] = {}
    for spec, key in keys.items():
        by_ratio.setdefault((spec.granularity, spec.criterion), {})[f"{spec.ratio:g}"] = key
    for ratio, key in by_ratio.get(OURS, {}).items():
        if other := by_ratio.get(rival, {}).get(ratio):
            changes = [c.curves[key].pauc(limit) - c.curves[other].pauc(limit) for c in drawn.values()]
            estimates[ratio] = float(np.mean(changes))
            resampled[ratio] = np.mean([c.pauc(key, limit) - c.pauc(other, limit) for c in drawn.values()], axis=0)
    if not estimates:
        return {}
    estimates["mean"] = float(np.mean([*estimates.values()]))
    resampled["mean"] = np.mean([*resampled.values()], axis=0)
    return {ratio: per_mille(difference_of(estimates[ratio], resampled[ratio])) for ratio in estimates}


def per_mille(change: Difference) -> list[float]:
    """A difference of areas and its interval, ·10³."""
    return [1e3 * value for value in change[:3]]


def _verdict(verifier: str, model: str, edc: Edc, numbers: Mapping[str, Any], norm: Curve) -> str:
    """What the numbers say of one verifier; norm: the curve of the embedding norm."""
    ours, by_norm = numbers["pauc_best"][verifier], numbers["pauc_norm"][verifier]
    mean, smallest = numbers["pauc_random_mean"][verifier], numbers["pauc_random_min"][verifier]
    difference, low, high = numbers["difference_to_norm"][verifier]
    protocol = "same-model" if verifier == model else "cross-model"
    if ours < smallest:
        helps = "Discarding by quality helps: it beats every random order."
    elif ours < mean:
        helps = "That is better than a random order on average, but within the range of random orders."
    else:
        helps = "Discarding by quality does not help."
    if low > 0:
        beats = "The embedding norm is better"
    elif high < 0:
        beats = "PreFIQs is better than the embedding norm"
    else:
        beats = "PreFIQs and the embedding norm cannot be distinguished"
    failing, genuine = round(norm.fnmr[0] * norm.n_genuine[0]), norm.n_genuine[0]
    return (
        f"Verifier {verifier} ({protocol}): without discarding, {failing:,} of {genuine:,} genuine pairs "
        f"({100 * norm.fnmr[0]:.2f} %) are rejected at FMR {edc.fmr[0]:g}. pAUC·10³ is {ours:.2f} for PreFIQs, "
        f"{mean:.2f} for a random order (smallest of {edc.random_orders}: {smallest:.2f}) and {by_norm:.2f} for the "
        f"embedding norm. {helps} {beats} (difference {difference:.2f}, 95 % interval {low:.2f} to {high:.2f})."
    )


def _reliability(areas: pd.DataFrame) -> str:
    doubtful = areas[~areas["fmr_resolvable"]].groupby("fmr").size()
    if doubtful.empty:
        return "Every point up to the limit has enough impostor pairs to set its threshold."
    counts = ", ".join(f"{count} at FMR {fmr:g}" for fmr, count in doubtful.items())
    return f"Of {len(areas)} areas, some have fewer than 1/FMR impostor pairs at a point: {counts}."
