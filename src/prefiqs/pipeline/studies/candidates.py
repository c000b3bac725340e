"""Which training-free score ranks best, at what price, and where does the pruning margin fail?"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from prefiqs.evaluation.bootstrap import excess_of, simultaneous_intervals
from prefiqs.evaluation.comparison import Bootstraps
from prefiqs.evaluation.tables import area_text, areas_table, differences_table, unreliable
from prefiqs.io.tables import read_parquet
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.areas import forest
from prefiqs.reporting.figures.margin import excess_by_exponent
from prefiqs.reporting.figures.style import FROM_THE_NORM, PAUC_LABEL
from prefiqs.reporting.study import Figure, Study, Table, saved_as
from prefiqs.reporting.tables import TRAINED_ON_NOTE, doubts_by_verifier, marked

FROM = {"norm": "from the norm", "prefiqs": "from PreFIQs", "pruning-margin": "from pruning-margin"}
"""The columns of differences, by the method that is subtracted."""
FRONT = "filled: no score of equal or lower cost is better"


class CandidatesStudy(Study):
    """Training-free scores by their cost, beside the compared methods of the run; pAUC·10³, smaller is better.

    table: one row a score, best first. areas: one row a score and verifier, with the differences from the norm, from
    PreFIQs and from the pruning margin, and their 95 % intervals; passes: missing for a compared method, which may run
    on another network. rivals: the differences from the pruning margin. failures: one sentence for each way in which
    the margin fails. numbers: both kinds of sentences, and by_exponent: how much larger than the norm's the area of
    ‖e‖·κ^p is, with 90 % intervals.
    """

    table: Table = saved_as("candidates")
    areas: pd.DataFrame = saved_as("areas")
    rivals: Table
    price: Figure = saved_as("price")
    exponents: Figure = saved_as("exponents")
    findings: list[str]
    failures: list[str]


def candidates_study(run: Run, benchmark: str, model: str) -> CandidatesStudy:
    """Compare the scores of the stage `contributions`, and other methods, on the most pairs of a benchmark's faces."""
    folder, edc = run.layout.contributions(benchmark, model), run.params.edc
    benchmark, verifiers = run.params.most_pairs_of(benchmark), run.verifiers(model)
    protocol, limit = edc.at_first_fmr, edc.limit
    about = read_parquet(folder / "about.parquet", ["key", "group", "passes", "method", "chosen_on"])
    scores = {str(key): values.to_numpy() for key, values in read_parquet(folder / "scores.parquet").items()}
    keys = about[about["method"] != ""].set_index("method")["key"]
    norm, margin = keys["norm"], keys["pruning-margin"]
    exponents = {p: f"‖e‖·κ^{p:g}" for p in sorted({0.0, 2.0, *run.params.candidates.exponents})}
    exponents |= {0.0: norm, 2.0: margin}
    consensus_squared = scores[margin] / scores[norm]
    scores |= {k: scores[norm] * consensus_squared ** (p / 2) for p, k in exponents.items() if k not in scores}
    known, faces = run.is_known(benchmark, MethodId.of("norm", model)), run.params.faces_of(benchmark)
    about["trained_on"] = [known or faces in chosen.split() for chosen in about.pop("chosen_on")]
    others, compared = _compared(run, benchmark, model)
    comparison = run.comparison(benchmark, verifiers, scores | compared)
    resampled = comparison.bootstrap(protocol, edc.resamples, edc.seed)

    pauc = areas_table(comparison.curves(protocol), limit)[["key", "verifier", "pauc", "reliable"]]
    wide, reliable = (pauc.pivot(index="key", columns="verifier", values=of)[verifiers] for of in ("pauc", "reliable"))
    areas = pd.concat([about, others], ignore_index=True).merge(pauc)
    for method, name in FROM.items():
        areas = areas.merge(_differences(resampled, keys[method], limit, name), how="left")
    relative = (wide / wide.loc[norm]).mean(axis=1).rename("relative to the norm")
    shown = areas[["key", "group", "passes", "trained_on"]].drop_duplicates("key")
    few = _few(areas).assign(few=~areas["reliable"].groupby(areas["key"]).all())
    coarse = {verifier: f"few {verifier}" for verifier in verifiers} | {str(relative.name): "few"}
    table = shown.join(wide.join([relative, few]), on="key").sort_values(relative.name, ignore_index=True)
    by_exponent = pd.DataFrame(
        [
            (verifier, p, *excess_of(wide.at[label, verifier], wide.at[norm, verifier],
                                     *(1e3 * drawn.pauc(key, limit) for key in (label, norm))),
             bool(reliable.loc[[label, norm], verifier].all()))
            for (verifier, _), drawn in resampled.items() for p, label in exponents.items()
        ],
        columns=["verifier", "exponent", "excess", "low", "high", "reliable"],
    )  # fmt: skip

    where = f"{benchmark}, quality from {model}"
    setting = f"FMR {protocol.fmrs[0]:g}, discard up to {limit:g}, threshold {edc.threshold}"
    own, priced = areas[areas["key"] == margin].set_index("verifier"), areas.dropna(subset="passes")
    findings = [_finding(table, areas, group, norm, resampled, limit) for group in about["group"].unique()]
    failures = list(_failures(areas[areas["key"] != margin], own, wide.loc[margin] / wide.loc[norm], model))
    doubts = [unreliable(areas, "verifier"), TRAINED_ON_NOTE * bool(table["trained_on"].any())]
    return CandidatesStudy(
        table=Table(
            table.rename(columns={"key": "score"}),
            f"Training-free scores and compared methods on {where}: pAUC·10³",
            best={name: "min" for name, doubtful in coarse.items() if not few[doubtful].any()},
            digits=dict.fromkeys(verifiers, 2) | {"passes": 3, relative.name: 3},
            hidden=["trained_on"],
            coarse=coarse,
            trained_on={"score": table["trained_on"]},
            notes=" ".join([f"{setting}. passes: forward passes of a face, counted in multiply-adds. relative to the "
                            "norm: mean ratio of areas over the verifiers.", *filter(None, doubts)]),
        ),
        areas=areas,
        rivals=_rivals(areas, table["key"], verifiers, where, f"{setting}. In brackets: 95 % intervals, "
                       f"{edc.resamples} resamples. {doubts[0]}"),
        price=price_figure(table, priced, f"{where}, FMR {protocol.fmrs[0]:g}"),
        exponents=excess_by_exponent(by_exponent, 2.0, where, bool(own["trained_on"].all())),
        findings=findings,
        failures=failures,
        numbers={"by_exponent": by_exponent.to_dict("records"), "findings": findings, "failures": failures},
    )  # fmt: skip


def _few(areas: pd.DataFrame) -> pd.DataFrame:
    """By key and in columns "few VERIFIER": whether an area is not reliable."""
    return ~areas.pivot(index="key", columns="verifier", values="reliable").astype(bool).add_prefix("few ")


def price_figure(table: pd.DataFrame, areas: pd.DataFrame, title: str) -> Figure:
    """The areas of all candidates minus that of the norm, by their price. table, areas: as in `CandidatesStudy`."""
    is_norm = areas["method"] == "norm"
    areas = areas.assign(front=on_front(areas, "pauc", "verifier"), label=areas["key"])
    best_first = areas[~is_norm].merge(table[["key"]].assign(place=range(len(table))))
    dearest = areas.groupby("group")["passes"].max()
    best_first["price"] = best_first["group"].map(dearest)
    shown = best_first.sort_values(["price", "place"], kind="stable")
    columns = {f"from the norm{end}": name for end, name in (("", "estimate"), ("_low", "low"), ("_high", "high"))}
    doubts = doubts_by_verifier(areas)
    headings = {
        norm.verifier: f"verifier\n{norm.verifier}\nnorm: {PAUC_LABEL} {area_text(norm.pauc, norm.reliable)}"
        f"{doubts[norm.verifier]}"
        for norm in areas[is_norm].itertuples()
    }
    shown = shown.rename(columns=columns).assign(
        label=marked(shown),
        group=[f"{group} (costs {dearest[group]:.2f})" for group in shown["group"]],
        verifier=shown["verifier"].map(headings),
    )
    return forest(shown, title, f"{FROM_THE_NORM}\ncosts: forward passes of a face, counted in multiply-adds; {FRONT}")


def _compared(run: Run, benchmark: str, model: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The methods that the run compares with PreFIQs, the pruning margin aside: what they are, and their scores."""
    found = run.all_scores(benchmark, model)
    known = found.methods["method"].isin(["prefiqs", "norm", "pruning-margin", MethodId.severity().method])
    others = found.methods[~known]
    about = others[["method", "trained_on"]].assign(
        key=others["label"], group="compared, " + others["supervision"], passes=np.nan
    )
    return about, {name: found.values[key] for name, key in zip(others["label"], others["key"], strict=True)}


def _differences(resampled: Bootstraps, reference: str, limit: float, name: str) -> pd.DataFrame:
    """By key and verifier: difference of the pAUC from the reference's, column `name`, with its interval."""
    columns = {"difference": name, "low": f"{name}_low", "high": f"{name}_high"}
    return differences_table(resampled, reference, limit)[["key", "verifier", *columns]].rename(columns=columns)


def _rivals(areas: pd.DataFrame, order: pd.Series, verifiers: list[str], where: str, notes: str) -> Table:
    """The differences from the pruning margin, a row a score in this order, a column a verifier."""
    name = FROM["pruning-margin"]
    parts = {end: areas.pivot(index="key", columns="verifier", values=f"{name}{end}") for end in ("", "_low", "_high")}
    columns = {f"{verifier}{end}": part[verifier] for verifier in verifiers for end, part in parts.items()}
    frame = pd.DataFrame(columns).loc[order].dropna(how="all").join(_few(areas)).rename_axis("score").reset_index()
    return Table(
        frame,
        f"Each score minus ‖e‖·κ² on {where}: pAUC·10³, paired",
        digits=dict.fromkeys(columns, 2),
        intervals=verifiers,
        coarse={verifier: f"few {verifier}" for verifier in verifiers},
        notes=f"{notes.strip()} Above 0, ‖e‖·κ² is better.",
    )


def _finding(
    table: pd.DataFrame, areas: pd.DataFrame, group: str, norm: str, resampled: Bootstraps, limit: float
) -> str:
    """Which score of a group is best, and whether it is better than the norm, by intervals that allow for the choice.

    They hold for all scores of the group, and for all verifiers at once (Bonferroni).
    """
    scores = table.loc[table["group"] == group, "key"]  # best first
    if scores.iloc[0] == norm:
        return f"Best at {group}: the norm itself."
    of_best = areas[areas["key"] == scores.iloc[0]].set_index("verifier")
    for (verifier, _), drawn in resampled.items():
        found, its = drawn.paucs([norm, *scores], limit)
        ends = simultaneous_intervals(found[1:] - found[0], its[1:] - its[0], 1 - 0.05 / len(resampled))
        of_best.loc[verifier, ["from the norm_low", "from the norm_high"]] = [values[0] for values in ends]
    below, above = _clear(of_best, "from the norm")
    relative = ratio_text(table.loc[scores.index[0], "relative to the norm"], of_best["reliable"].all())
    return (
        f"Best at {group}: {scores.iloc[0]}, {relative} times the norm's area. The interval of the difference is below "
        f"0 for {below} verifiers, and above 0 for {above}; the intervals allow for the choice on these data and hold "
        "for all verifiers at once."
    )


def _clear(rows: pd.DataFrame, difference: str) -> tuple[str, str]:
    """How many intervals of a difference lie below 0, and how many above."""
    sides = rows[f"{difference}_high"] < 0, rows[f"{difference}_low"] > 0
    below, above = (counted(side, rows["reliable"]) for side in sides)
    return below, above


def _failures(rivals: pd.DataFrame, margin: pd.DataFrame, relative: pd.Series, model: str) -> Iterator[str]:
    """Sentences about where the pruning margin is no better than the norm, or worse than another score.

    Of the candidates, only those that are better with a verifier are named; of the compared methods, all. rivals: rows
    of areas of all other scores. margin: its own, by verifier. relative: its area over the norm's, by verifier.
    """
    low, high = margin["from the norm_low"], margin["from the norm_high"]
    undecided, worse = low.index[(low <= 0) & (high >= 0)], low.index[low > 0]
    yield f"Undecided against the norm (the interval contains 0) with verifier {', '.join(undecided) or 'none'}."
    yield f"Worse than the norm (the interval lies above 0) with verifier {', '.join(worse) or 'none'}."
    others = margin.index != model
    here, elsewhere = (
        ratio_text(relative[which].mean(), margin.loc[which, "reliable"].all()) for which in (~others, others)
    )
    yield f"Area over the norm's: {here} where {model} also verifies, {elsewhere} where another network does (mean)."
    name = FROM["pruning-margin"]
    for key, part in rivals.groupby("key", sort=False):
        better, worse = _clear(part, name)
        if (part[f"{name}_high"] < 0).any() or part["passes"].isna().all():
            yield f"{key}: better than ‖e‖·κ² with {better} verifiers, worse with {worse}."


def on_front(areas: pd.DataFrame, value: str, within: str | list[str]) -> pd.Series:
    """Whether no score (rows with the same `within`) of equal or lower cost has a smaller `value`."""
    ordered = areas.sort_values(["passes", value], kind="stable")
    return (ordered[value] <= ordered.groupby(within)[value].cummin()).reindex(areas.index)


def counted(hits: pd.Series, reliable: pd.Series) -> str:
    """How many are true of those on reliable areas and of the others, such as "3 of 4 and 1 of 6 (not reliable)"."""
    kinds = ((reliable, ""), (~reliable, " (not reliable)"))
    return " and ".join(f"{hits[which].sum()} of {which.sum()}{word}" for which, word in kinds if which.any())


def ratio_text(ratio: float, reliable: bool) -> str:
    """A ratio of areas as it is printed, with two digits where an area is not reliable."""
    return f"{ratio:.3f}" if reliable else f"{ratio:#.2g}".rstrip(".")
