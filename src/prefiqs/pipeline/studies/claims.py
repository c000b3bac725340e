"""The claims of the paper, and two that every quality measure must face, judged on the results of a run.

A claim holds ("yes") if the interval of what it says lies on its side, fails ("no") if it lies on the other, and is
"undecided" otherwise. That two things are alike needs a margin: the interval must lie within it (two one-sided tests).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from prefiqs.evaluation.tables import UNRELIABLE, area_text
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.jacobian import SAME_RANKING
from prefiqs.reporting.tables import Table

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
    verdict: "yes", "no" or "undecided". reliable: whether all areas behind it are, see `evaluation.tables`.
    """
    rows = []
    for benchmark, model in product(run.params.report.claims, run.params.models.quality):
        edc, jacobian = numbers[f"edc-{benchmark}-{model}"], numbers.get(f"jacobian-{benchmark}-{model}")
        judged = (*_about_pruning(edc), *_about_the_jacobian(jacobian), *_about_areas(edc))
        for claim, from_paper, text, evidence, verdict in judged:
            few = [verifier for verifier in edc["unreliable"] if verifier == model or claim not in SAME_MODEL]
            doubt = f"; not reliable with {', '.join(few)}: {UNRELIABLE}" if few else ""
            rows.append((claim, from_paper, text, evidence + doubt, verdict, benchmark, model, not few))
    columns = ["claim", "from_paper", "text", "evidence", "verdict", "benchmark", "estimator", "reliable"]
    return pd.DataFrame(rows, columns=columns)


def verdicts(judged: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of `judge`, one row a benchmark and estimator, one column a claim; "–" where it was not tested."""
    wide = judged.pivot(index=["benchmark", "estimator"], columns="claim", values="verdict").fillna("–")
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
        yield "granularity", True, text, *_all_smaller(changes)
    if changes := found["to_random_pruning"]:
        small = {ratio: change for ratio, change in changes.items() if ratio != "mean" and float(ratio) <= SMALL_RATIO}
        text = f"L1 pruning beats random pruning at small ρ (unstructured, ρ ≤ {SMALL_RATIO:g})"
        if small:
            yield "criterion", True, text, *_all_smaller(small)


def _all_smaller(changes: Mapping[str, Sequence[float]]) -> tuple[str, str]:
    """Evidence and verdict from differences by ratio; the evidence has their mean if it is given, else each of them."""
    by_ratio = {f"at ρ = {ratio}": change for ratio, change in changes.items() if ratio != "mean"}
    smaller, clearly = sum(d < 0 for d, _, _ in by_ratio.values()), sum(high < 0 for _, _, high in by_ratio.values())
    cited = {"over all ratios": changes["mean"]} if "mean" in changes else by_ratio
    evidence = (
        f"smaller pAUC, mean over the verifiers, at {smaller} of {len(by_ratio)} ratios (with an interval below 0 at "
        f"{clearly}); mean difference {'; '.join(f'{what} {_signed(change)}' for what, change in cited.items())}"
    )
    return evidence, _below_zero(by_ratio.values())


def _about_the_jacobian(found: Mapping[str, Any] | None) -> Iterator[Judged]:
    if not found or "pauc_jacobian" not in found:  # not computed, or a benchmark without pairs
        return
    text = f"Jacobian and discrete drift rank images alike (Spearman ≥ {SAME_RANKING:g}, pAUC within {SAME_AREA:.0%})"
    if found["spearman"] is None:  # as where the smallest weights do nothing
        evidence = f"they do not rank images at all: every drift is the same at ρ = {found['ratio']:g}"
        yield "jacobian", True, text, evidence, "no"
        return
    evidence = (
        f"Spearman {found['spearman']:.4f}, pAUC {found['pauc_jacobian']:.2f} and {found['pauc_discrete']:.2f} at "
        f"ρ = {found['ratio']:g} ({_percent(found['pauc_change'])})"
    )
    alike = _within(SAME_AREA, found["pauc_change"])
    yield "jacobian", True, text, evidence, alike if found["spearman"] >= SAME_RANKING else "no"


def _about_areas(found: Mapping[str, Any]) -> Iterator[Judged]:
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
        yield from _about_ratios(found)


def _about_ratios(found: Mapping[str, Any]) -> Iterator[Judged]:
    variant = found["best_variant"]
    stable = {ratio: excess for ratio, excess in found["excess"].items() if float(ratio) <= STABLE}
    text = f"pAUC is stable up to ρ = {STABLE:g} (at most {STABLE_AREA:.0%} larger than at the best ratio)"
    if stable:
        ratio, excess = max(stable.items(), key=lambda item: -1 if item[1][0] is None else item[1][0])
        evidence = f"same-model pAUC is largest at ρ = {ratio}; best is {variant} ({_percent(excess)})"
        verdicts = {_within(STABLE_AREA, excess) for excess in stable.values()}
        yield "stable", True, text, evidence, next(word for word in ("no", "undecided", "yes") if word in verdicts)
    usual = found["usual_ratio"]
    excess = found["excess"][f"{usual['ratio']:g}"]
    text = f"ρ = {usual['ratio']:g} is as good as the best ratio (pAUC at most {SAME_AREA:.0%} larger)"
    evidence = f"same-model pAUC {usual['pauc']:.2f}; best is {variant} ({_percent(excess)})"
    yield "ratio", True, text, evidence, _within(SAME_AREA, excess)


def _below_zero(changes: Iterable[Sequence[float]]) -> str:
    """Whether all differences (estimate, low, high) are below 0, as far as their intervals tell."""
    changes = list(changes)
    if any(low > 0 for _, low, _ in changes):
        return "no"
    return "yes" if all(high < 0 for _, _, high in changes) else "undecided"


def _within(margin: float, excess: Sequence[float | None]) -> str:
    """Whether a relative difference (estimate, low, high) is within a margin of 0, as far as its interval tells."""
    _, low, high = excess
    if low is None or high is None:  # no errors, so nothing to compare
        return "undecided"
    if low > margin or high < -margin:
        return "no"
    return "yes" if -margin <= low and high <= margin else "undecided"


def _signed(found: Sequence[float], reliable: bool = True) -> str:
    change, *ends = (area_text(part, reliable, "+") for part in found)
    return f"{change}, 95 % interval {ends[0]} to {ends[1]}"


def _percent(excess: Sequence[float | None]) -> str:
    value, low, high = (f"{100 * part:+.1f}" if part is not None else "?" for part in excess)
    return f"{value} %, 90 % interval {low} to {high} %".replace("-", "−")
