"""The claims of the paper, and two that every quality measure must face, judged on the results of a run.

A claim holds ("yes") if the interval of what it says lies on its side, fails ("no") if it lies on the other, and is
"undecided" otherwise. That two things are alike needs a margin: the interval must lie within it (two one-sided tests).
A claim about several ratios or verifiers holds if it holds for each and fails if it fails for one; so the ends of
intervals that can make it fail hold at once. Those that can make it hold need not, because all of them must
(intersection-union test): differences have them nevertheless, but of how far the ratios are behind the best one, only
the low ends hold at once (`bootstrap.behind_smallest`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from prefiqs.evaluation.tables import UNRELIABLE, area_text
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.jacobian import SAME_RANKING
from prefiqs.reporting.tables import MISSING, Table

SMALL_RATIO = 0.3  # what "small ρ" means in the paper's second claim
SAME_AREA = 0.05  # how much two pAUC may differ, relatively, to count as alike
STABLE, STABLE_AREA = 0.7, 0.1  # up to which ratio the paper finds stable pAUC, and how far it is from the best there

SAME_MODEL = ("jacobian", "stable", "ratio")  # claims that the estimator verifies; the others, all verifiers

TITLES = {  # of the columns of `verdicts`
    "granularity": "unstructured beats structured",
    "criterion": "L1 beats random at small ρ",
    "jacobian": "Jacobian drift ranks as drift",
    "stable": f"stable up to ρ = {STABLE:g}",
    "ratio": "the paper's ρ is as good as the best",
    "random-order": "beats random order",
    "norm": "beats the embedding norm",
}

Judged = tuple[str, bool, str, str, str]  # claim, from_paper, text, evidence, verdict


def judge(run: Run, numbers: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row a claim, benchmark of `report.claims` and estimator; numbers: by stage and item, such as `edc-orl-sface`.

    from_paper: False if every quality measure must face it. text: the claim. evidence: the numbers behind the verdict.
    verdict: "yes", "no", "undecided", or "–" if the data do not test it. reliable: whether all areas behind it are, see
    `evaluation.tables`.
    """
    rows = []
    for benchmark, model in product(run.params.report.claims, run.params.models.quality):
        edc, jacobian = numbers[f"edc-{benchmark}-{model}"], numbers.get(f"jacobian-{benchmark}-{model}")
        own = [model] if model in edc["unreliable"] else []
        judged = (*_about_pruning(edc), *_about_the_jacobian(jacobian, not own), *_about_areas(edc, not own))
        for claim, from_paper, text, evidence, verdict in judged:
            few = [] if verdict == MISSING else own if claim in SAME_MODEL else edc["unreliable"]
            doubt = f"; not reliable with {', '.join(few)}: {UNRELIABLE}" if few else ""
            rows.append((claim, from_paper, text, evidence + doubt, verdict, benchmark, model, not few))
    columns = ["claim", "from_paper", "text", "evidence", "verdict", "benchmark", "estimator", "reliable"]
    return pd.DataFrame(rows, columns=columns)


def verdicts(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of `judge`, one row a benchmark and estimator, one column a claim; "–" where it was not tested."""
    wide = judged.pivot(index=["benchmark", "estimator"], columns="claim", values="verdict").fillna(MISSING)
    wide = wide.reindex(judged[["benchmark", "estimator"]].drop_duplicates().itertuples(index=False, name=None))
    shown = {claim: title for claim, title in TITLES.items() if claim in wide}
    return wide[[*shown]].rename(columns=shown).rename_axis(columns=None).reset_index()


def verdicts_table(judged: pd.DataFrame, caption: str = "") -> Table:
    """The same as a table, whose notes name what is not reliable."""
    few = judged[~judged["reliable"]].groupby(["benchmark", "estimator"], sort=False).size()
    named = ", ".join(f"{benchmark} with {estimator} ({count})" for (benchmark, estimator), count in few.items())
    notes = f"Verdicts on areas that are not reliable ({UNRELIABLE}): {named}." if named else ""
    return Table(verdicts(judged), caption, notes=notes)


def _about_pruning(found: Mapping[str, Any]) -> Iterator[Judged]:
    if changes := found["to_structured"]:
        text = "Unstructured L1 pruning beats structured L1 pruning at every ρ"
        yield "granularity", True, text, *_all_smaller(changes, not found["unreliable"])
    if changes := found["to_random_pruning"]:
        small = {ratio: change for ratio, change in changes.items() if ratio != "mean" and float(ratio) <= SMALL_RATIO}
        text = f"L1 pruning beats random pruning at small ρ (unstructured, ρ ≤ {SMALL_RATIO:g})"
        if small:
            yield "criterion", True, text, *_all_smaller(small, not found["unreliable"])


def _all_smaller(changes: Mapping[str, Sequence[float]], reliable: bool) -> tuple[str, str]:
    """Evidence and verdict from differences by ratio; cited are their mean and those that are larger, or else all."""
    by_ratio = {f"at ρ = {ratio}": change for ratio, change in changes.items() if ratio != "mean"}
    smaller, clearly = sum(d < 0 for d, _, _ in by_ratio.values()), sum(high < 0 for _, _, high in by_ratio.values())
    larger = {where: change for where, change in by_ratio.items() if change[1] > 0}
    cited = {"over all ratios": changes["mean"]} | larger if "mean" in changes else by_ratio
    named = "; ".join(f"{where} {_signed(change, reliable)}" for where, change in cited.items())
    evidence = (
        f"smaller pAUC, mean over the verifiers, at {smaller} of {len(by_ratio)} ratios (with an interval below 0 at "
        f"{clearly}, above 0 at {len(larger)}); mean difference {named}"
    )
    return evidence, _below_zero(by_ratio.values())


def _about_the_jacobian(found: Mapping[str, Any] | None, reliable: bool) -> Iterator[Judged]:
    if not found or "pauc_jacobian" not in found:  # not computed, or a benchmark without pairs
        return
    text = f"Jacobian and discrete drift rank images alike (Spearman ≥ {SAME_RANKING:g}, pAUC within {SAME_AREA:.0%})"
    if found["spearman"] is None:  # as where the smallest weights do nothing
        evidence = f"not tested, because there is nothing to rank: every drift is the same at ρ = {found['ratio']:g}"
        yield "jacobian", True, text, evidence, MISSING
        return
    low, high = found["spearman_interval"]
    areas = " and ".join(area_text(found[f"pauc_{drift}"], reliable) for drift in ("jacobian", "discrete"))
    evidence = (
        f"Spearman {found['spearman']:.4f}, 95 % interval {low:.4f} to {high:.4f}; pAUC {areas} at "
        f"ρ = {found['ratio']:g} ({_percent(found['pauc_change'], reliable)})"
    )
    ranking = "yes" if low >= SAME_RANKING else "no" if high < SAME_RANKING else "undecided"
    yield "jacobian", True, text, evidence, _all_hold([ranking, _within(SAME_AREA, found["pauc_change"])])


def _about_areas(found: Mapping[str, Any], reliable: bool) -> Iterator[Judged]:
    best, variant = found["pauc_best"], found["best_variant"]
    for claim, text, rival, areas in (
        ("random-order", "discarding in random order", "random order", found["pauc_random_mean"]),
        ("norm", "the embedding norm", "norm", found["pauc_norm"]),
    ):
        changes = found["difference_to_random" if claim == "random-order" else "difference_to_norm"]
        parts = []
        for v in best:
            sure = v not in found["unreliable"]
            ours, others = (area_text(area[v], sure) for area in (best, areas))
            parts.append(f"{v} {ours} ({rival} {others}, difference {_signed(changes[v], sure)})")
        text = f"PreFIQs beats {text} at its best ρ ({variant})"
        yield claim, False, text, f"pAUC {', '.join(parts)}", _below_zero(changes.values())
    if len(found["excess"]) > 1:  # one ratio is always as good as the best of one
        yield from _about_ratios(found, reliable)


def _about_ratios(found: Mapping[str, Any], reliable: bool) -> Iterator[Judged]:
    variant = found["best_variant"]
    stable = {ratio: excess for ratio, excess in found["excess"].items() if float(ratio) <= STABLE}
    text = f"pAUC is stable up to ρ = {STABLE:g} (at most {STABLE_AREA:.0%} larger than at the best ratio)"
    if stable:
        verdict = _all_hold([_within(STABLE_AREA, excess) for excess in stable.values()])
        end = 1 if verdict == "no" else 2  # of the interval that decides
        ratio, excess = max(stable.items(), key=lambda item: item[1][end] or 0)
        evidence = f"same-model pAUC at ρ = {ratio} against the best, {variant}: {_percent(excess, reliable)}"
        yield "stable", True, text, evidence, verdict
    usual = found["usual_ratio"]
    excess = found["excess"][f"{usual['ratio']:g}"]
    text = f"ρ = {usual['ratio']:g} is as good as the best ratio (pAUC at most {SAME_AREA:.0%} larger)"
    area = area_text(usual["pauc"], reliable)
    evidence = f"same-model pAUC {area}; best is {variant} ({_percent(excess, reliable)})"
    yield "ratio", True, text, evidence, _within(SAME_AREA, excess)


def _below_zero(changes: Iterable[Sequence[float]]) -> str:
    """Whether all differences (estimate, low, high) are below 0, as far as their intervals tell."""
    return _all_hold(["no" if low > 0 else "yes" if high < 0 else "undecided" for _, low, high in changes])


def _all_hold(verdicts: Sequence[str]) -> str:
    """The verdict on a claim that has several parts."""
    return next(word for word in ("no", "undecided", "yes") if word in verdicts)


def _within(margin: float, excess: Sequence[float | None]) -> str:
    """Whether a relative difference (estimate, low, high) is within a margin of 0, as far as its interval tells."""
    _, low, high = excess
    if low is None or high is None:  # no errors, so nothing to compare
        return "undecided"
    if low > margin or high < -margin:
        return "no"
    return "yes" if -margin <= low and high <= margin else "undecided"


def _signed(found: Sequence[float], reliable: bool) -> str:
    change, *ends = (area_text(part, reliable, "+") for part in found)
    return f"{change}, 95 % interval {ends[0]} to {ends[1]}"


def _percent(excess: Sequence[float | None], reliable: bool) -> str:
    value, *ends = (area_text(100 * part, reliable, "+", 1) if part is not None else "?" for part in excess)
    return f"{value} %, 90 % interval {ends[0]} to {ends[1]} %"
