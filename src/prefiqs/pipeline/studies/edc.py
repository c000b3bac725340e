"""Table 3 and Fig. 3: does discarding by quality help recognition?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from prefiqs.evaluation.bootstrap import (
    BootstrapCurves,
    behind_smallest,
    difference_of,
    simultaneous_intervals,
)
from prefiqs.evaluation.curve import Curve
from prefiqs.evaluation.edc import THRESHOLDS
from prefiqs.evaluation.pairs import pair_levels
from prefiqs.evaluation.tables import (
    area_text,
    areas_table,
    curves_table,
    differences_table,
    intervals_table,
    random_curves_table,
    random_table,
    unreliable,
)
from prefiqs.pipeline.identity import COLUMNS, MethodId, short_label
from prefiqs.pipeline.params import Edc
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.constant import constant_scores
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import forest, lines_by_ratio
from prefiqs.reporting.figures.curves import edc_grid
from prefiqs.reporting.figures.style import FROM_THE_NORM, PAUC_LABEL
from prefiqs.reporting.study import Figure, Study, Table, saved_as
from prefiqs.reporting.tables import ALIKE, UNMOVED, broken, doubts_by_verifier, marked

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
    estimator as verifier; None if none of its areas is reliable, or for one ratio. findings: one paragraph per
    verifier, and how far to rely on them.

    numbers: reliability: by FMR and verifier, how many areas are reliable, and errors as in `evaluation.tables`, of all
    measures the fewest. unreliable: verifiers for which an area of PreFIQs or of the norm is not, at the first FMR.
    constant: pruned networks that embed all faces alike, or no face differently, so that all have the same score.
    random_orders_beaten: orders with a larger area than PreFIQs. ties: share of the pairs whose quality by PreFIQs, at
    its usual ratio, is that of another pair.
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
    constant = constant_scores(run, benchmark, model, {spec: scores.values[key] for spec, key in keys.items()})
    areas = areas.assign(limit=edc.limit, constant=areas["key"].isin([keys[spec] for spec in constant]))
    areas = identified(areas[[*where, "limit", *areas.columns.drop([*where, "limit"])]])

    chosen = areas[(areas["fmr"] == fmr) & (areas["threshold"] == edc.threshold)]
    line = random[random["fmr"] == fmr].set_index("verifier")
    paucs = chosen.pivot(index="key", columns="verifier", values="pauc")[verifiers].rename_axis(columns=None)
    best = min(prune.main, key=lambda spec: np.nan_to_num(paucs.loc[keys[spec], model], nan=np.inf))
    ours, about = keys[best], f"{benchmark}, quality from {model}, FMR {fmr:g}"
    curve = {(verifier, key): found for (verifier, key, at), found in curves[edc.threshold].items() if at == fmr}
    # In figures: PreFIQs at its usual and at its best ratio, and all other methods.
    names = {keys[usual]: short_label(usual), keys[best]: f"{short_label(best)} (best here)"}
    others = scores.methods[scores.methods["granularity"].isna()]
    names |= dict(zip(others["key"], others["label"], strict=True))
    points, random_points = identified(curves_table(curves[edc.threshold])), random_curves_table(chance)

    pruned = chosen[chosen["key"].isin(keys.values())]
    cells = pruned.set_index(["granularity", "criterion", "ratio", "verifier"]).unstack(sort=False)
    by_spec, few = (cells[name].rename_axis(columns=None) for name in ("pauc", "reliable"))
    by_spec = by_spec.assign(mean=by_spec.mean(axis=1, skipna=False))
    coarse = {column: f"{column} is not reliable" for column in by_spec}
    few = ~few.assign(mean=few.all(axis=1)).rename(columns=coarse)
    reliable = chosen[chosen["key"].isin([norm, *keys.values()])].groupby("verifier")["reliable"].all()
    mean, std, of_norm = (
        {v: area_text(areas[v], reliable[v]) for v in verifiers}
        for areas in (line["pauc_mean"], line["pauc_std"], paucs.loc[norm])
    )
    notes = (
        f"FMR {fmr:g}, discard up to {edc.limit:g}, threshold {edc.threshold}. Random order: "
        f"{', '.join(f'{v} {mean[v]} ± {std[v]}' for v in verifiers)}. "
        f"Embedding norm: {', '.join(f'{v} {of_norm[v]}' for v in verifiers)}."
    )
    doubts = [
        broken(pruned[pruned["key"].isin([keys[spec] for spec in constant if constant[spec] == how])], how)
        for how in (ALIKE, UNMOVED)
    ]
    table = Table(
        by_spec.join(few).reset_index(),
        f"pAUC·10³ on {benchmark}, quality from {model}",
        best=dict.fromkeys([*verifiers, "mean"], "min"),
        digits=2,
        coarse=coarse,
        notes=" ".join(filter(None, [notes, unreliable(pruned, "verifier"), *doubts])),
    )
    found = chosen[chosen["key"] == ours].set_index("verifier")
    drawn = {verifier: bootstraps[verifier, fmr] for verifier in verifiers}
    quality = pair_levels(comparison.scores[keys[usual]], comparison.pairs)
    main = {f"{spec.ratio:g}": keys[spec] for spec in prune.main}
    changes = changes_of_best(drawn, model, main, norm, edc.limit)
    numbers: dict[str, Any] = {
        "best_variant": best.label,
        "fnmr_without_discard": found["fnmr"].to_dict(),
        "pauc_best": found["pauc"].to_dict(),
        "pauc_random_mean": line["pauc_mean"].to_dict(),
        "pauc_random_min": line["pauc_min"].to_dict(),
        "random_orders": edc.random_orders,
        "random_orders_beaten": {v: (chance[v, fmr].pauc > found.loc[v, "pauc"] / 1e3).sum() for v in verifiers},
        "pauc_norm": paucs.loc[norm].to_dict(),
        **changes,
        **{name: changes_by_ratio(drawn, keys, rival, edc.limit) for name, rival in RIVALS.items()},
        "usual_ratio": {"ratio": usual.ratio, "pauc": paucs.loc[keys[usual], model]},
        "pairs": {"genuine": curve[model, norm].n_genuine[0], "impostor": curve[model, norm].n_impostor[0]},
        "resampled": bootstraps[model, fmr].unit,
        "resamples": edc.resamples,
        "reliability": _reliability(areas[areas["threshold"] == edc.threshold]),
        "unreliable": [verifier for verifier in verifiers if not reliable[verifier]],
        "constant": [spec.key for spec in constant],
        "ties": (np.bincount(quality)[quality] > 1).mean(),
    }
    levels = {"embedding norm": ("norm", paucs.loc[norm, model])}
    if oracle in paucs.index:
        numbers["pauc_severity"] = paucs.loc[oracle].to_dict()
        levels["true severity"] = ("severity", paucs.loc[oracle, model])
    by_ratio, same = None, pruned[pruned["verifier"] == model]
    if same["reliable"].any() and same["ratio"].nunique() > 1:
        same = same.assign(strategy=same["granularity"] + " " + same["criterion"])
        by_ratio = lines_by_ratio(same, "pauc", f"{about}, verifier {model}", levels, line.loc[model])
    shown = _named(chosen, names)
    corrected = [changes["difference_to_norm"][verifier] for verifier in shown.loc[shown["key"] == ours, "verifier"]]
    shown.loc[shown["key"] == ours, [*FROM_NORM.values()]] = corrected
    return EdcStudy(
        areas=areas,
        points=points,
        random=random,
        random_points=random_points,
        table=table,
        by_ratio=by_ratio,
        intervals=against_norm_figure(shown, shown[shown["key"] == norm], curve[model, norm].n_genuine[0], about),
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
            unreliable(areas.assign(fmr=areas["fmr"].map("FMR {:g}".format)), "fmr")
            or "Every area is reliable: up to the limit, ten or more pairs of either kind are errors.",
        ],
    )


def _named(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The rows whose keys have a name, with it as their label, marked, in the order of the names."""
    order = {key: place for place, key in enumerate(names)}
    shown = table[table["key"].isin(names)].sort_values("key", key=lambda keys: keys.map(order), kind="stable")
    return shown.assign(label=marked(shown.assign(label=shown["key"].map(names))))


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
    table = pd.concat([areas.drop(norm.index), chance])
    table = table.rename(columns={"from_norm": "estimate", "from_norm_low": "low", "from_norm_high": "high"})
    doubts = doubts_by_verifier(areas)
    headings = {
        of.verifier: f"verifier {of.verifier}\n{of.errors:,} of {pairs:,} rejected\n"
        f"norm: {PAUC_LABEL} {area_text(of.pauc, of.reliable)}{doubts[of.verifier]}"
        for of in norm.itertuples()
    }
    return forest(table.assign(verifier=table["verifier"].map(headings)), title, FROM_THE_NORM)


def changes_of_best(
    drawn: Mapping[str, BootstrapCurves], model: str, by_ratio: Mapping[str, str], norm: str, limit: float
) -> dict[str, Any]:
    """How the best ratio, by the estimator's own verifications, compares.

    by_ratio: keys. difference_to_norm, difference_to_random: by verifier, pAUC·10³ minus that of the norm or of a
    random order, with its 95 % interval. pauc_best_interval: by verifier, that of the area, ·10³. These intervals allow
    for the choice of the ratio, and hold for all verifiers at once (Bonferroni). excess: by ratio, how much larger its
    area is than the smallest of all, verified by the estimator; estimate and ends as in `behind_smallest`.
    """
    keys, changes = list(by_ratio.values()), {name: dict[str, list[float]]() for name in ("norm", "random", "itself")}
    best = int(np.argmin(np.nan_to_num(drawn[model].paucs(keys, limit)[0], nan=np.inf)))
    for verifier, curves in drawn.items():
        areas, resampled = curves.paucs(keys, limit)
        rivals: dict[str, tuple[float, np.ndarray | float]] = {
            "norm": (curves.curves[norm].pauc(limit), curves.pauc(norm, limit)),
            "random": (limit * curves.curves[norm].fnmr[0], limit * curves.fnmr[norm][:, 0]),  # nothing discarded
            "itself": (0.0, 0.0),
        }
        for name, (area, in_resamples) in rivals.items():
            low, high = simultaneous_intervals(areas - area, resampled - in_resamples, 1 - 0.05 / len(drawn))
            changes[name][verifier] = [1e3 * values[best] for values in (areas - area, low, high)]
    excess = behind_smallest(*drawn[model].paucs(keys, limit)).tolist()
    return {
        "difference_to_norm": changes["norm"],
        "difference_to_random": changes["random"],
        "pauc_best_interval": {v: [max(low, 0.0), high] for v, (_, low, high) in changes["itself"].items()},
        "excess": dict(zip(by_ratio, excess, strict=True)),
    }


def changes_by_ratio(
    drawn: Mapping[str, BootstrapCurves], keys: Mapping[PruningSpec, str], rival: tuple[str, str], limit: float
) -> dict[str, list[float]]:
    """pAUC·10³ of unstructured L1 pruning minus that of a rival at the same ratio, mean over the verifiers.

    By ratio, and as "mean" over the ratios: estimate, low and high end of the 95 % interval; those of the ratios hold
    at once. Empty if one of the two strategies was not computed.
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
    found, drawings = np.array([*estimates.values()]), np.array([*resampled.values()])
    rows = np.column_stack([found, *simultaneous_intervals(found, drawings)])
    mean = difference_of(found.mean(), drawings.mean(axis=0))
    return dict(zip([*estimates, "mean"], (1e3 * np.array([*rows, mean])).tolist(), strict=True))


def _verdict(verifier: str, model: str, edc: Edc, numbers: Mapping[str, Any], norm: Curve) -> str:
    """What the numbers say of one verifier; norm: the curve of the embedding norm."""
    sure, beaten = verifier not in numbers["unreliable"], numbers["random_orders_beaten"][verifier]
    ours, by_norm, mean = (area_text(numbers[f"pauc_{of}"][verifier], sure) for of in ("best", "norm", "random_mean"))
    protocol = "same-model" if verifier == model else "cross-model"
    verdicts = []
    for rival, name in (("a random order", "random"), ("the embedding norm", "norm")):
        _, low, high = change = numbers[f"difference_to_{name}"][verifier]
        words = f"PreFIQs and {rival} cannot be distinguished"
        if low > 0 or high < 0:
            words = f"PreFIQs is {'better' if high < 0 else 'worse'} than {rival}"
        difference, *ends = (area_text(value, sure, "+") for value in change)
        verdicts.append(f"{words} (difference {difference}, 95 % interval {ends[0]} to {ends[1]}).")
    failing, genuine = round(norm.fnmr[0] * norm.n_genuine[0]), norm.n_genuine[0]
    return (
        f"Verifier {verifier} ({protocol}): without discarding, {failing:,} of {genuine:,} genuine pairs "
        f"({100 * norm.fnmr[0]:.2f} %) are rejected at FMR {edc.fmr[0]:g}. pAUC·10³ is {ours} for PreFIQs, smaller "
        f"than that of {beaten} of {edc.random_orders} random orders (mean {mean}), and {by_norm} for the embedding "
        f"norm. {' '.join(verdicts)}"
    )


def _reliability(areas: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By FMR and verifier: how many areas there are and how many are reliable, and how few errors and false matches."""
    found = areas.groupby(["fmr", "verifier"], sort=False).agg(
        areas=("key", "size"),
        reliable=("reliable", "sum"),
        errors=("errors", "first"),
        fewest_errors=("fewest_errors", "min"),
        false_matches=("false_matches", "min"),
    )
    return {f"{fmr:g}": part.droplevel("fmr").to_dict("index") for fmr, part in found.groupby("fmr", sort=False)}
