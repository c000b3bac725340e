"""The claims of the paper, and two that every quality measure must face, judged on the results of a run."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.pipeline.run import Run

SMALL_RATIO = 0.3  # what "small ρ" means in the paper's second claim
SAME_RANKING = 0.9  # the Spearman correlation from which two drifts count as ranking images alike
SAME_AREA = 0.05  # how far their pAUC may differ then, relatively


@dataclass(frozen=True)
class Verdict:
    """A claim, judged on one benchmark and estimator.

    Attributes:
        claim: short name, the same on every benchmark.
        from_paper: whether the paper makes it; the others are what every quality measure must face.
        text: the claim as a sentence.
        evidence: the numbers behind the verdict.
        holds: the verdict.
    """

    claim: str
    from_paper: bool
    text: str
    evidence: str
    holds: bool


def judge(run: Run, numbers: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Judge every claim on the benchmarks of `report.claims` and every estimator.

    Args:
        run: whose areas are read from the results of its stage `edc`.
        numbers: by stage and item, such as `edc-orl-sface`.

    Returns:
        One row a claim, benchmark and estimator: the fields of `Verdict`, benchmark, estimator.
    """
    rows = []
    for benchmark, model in product(run.params.report.claims, run.params.models.quality):
        edc, jacobian = numbers[f"edc-{benchmark}-{model}"], numbers.get(f"jacobian-{benchmark}-{model}")
        verdicts = [*_about_pruning(_mean_areas(run, benchmark, model)), *_about_the_jacobian(jacobian)]
        verdicts += [_about_random_order(edc), _about_the_norm(edc), *_about_the_ratio(edc)]
        rows += [{**asdict(verdict), "benchmark": benchmark, "estimator": model} for verdict in verdicts]
    return pd.DataFrame(rows, columns=[*Verdict.__annotations__, "benchmark", "estimator"])


def _mean_areas(run: Run, benchmark: str, model: str) -> pd.DataFrame:
    """Mean pAUC·10³ over the verifiers, one row a ratio, one column a strategy (granularity, criterion)."""
    edc = run.params.edc
    areas = read_table(run.layout.results("edc", benchmark, model) / "areas.csv")
    pruned = (areas["method"] == "prefiqs") & areas["granularity"].notna()
    chosen = areas[pruned & (areas["fmr"] == edc.fmr[0]) & (areas["threshold"] == edc.threshold)]
    return chosen.pivot_table(index="ratio", columns=["granularity", "criterion"], values="pauc", aggfunc="mean")


def _about_pruning(mean: pd.DataFrame) -> Iterator[Verdict]:
    ours = ("unstructured", "l1")
    if {ours, ("structured", "l1")} <= set(mean.columns):
        text = "Unstructured L1 pruning beats structured L1 pruning at every ρ"
        yield Verdict("granularity", True, text, *_smaller(mean[ours], mean["structured", "l1"]))
    if {ours, ("unstructured", "random")} <= set(mean.columns):
        small = mean[mean.index <= SMALL_RATIO]
        small = mean.iloc[:1] if small.empty else small
        text = f"L1 pruning beats random pruning at small ρ (unstructured, ρ ≤ {small.index.max():g})"
        yield Verdict("criterion", True, text, *_smaller(small[ours], small["unstructured", "random"]))


def _smaller(ours: pd.Series, other: pd.Series) -> tuple[str, bool]:
    wins = int((ours < other).sum())
    evidence = f"smaller mean pAUC at {wins} of {len(ours)} ratios; mean {ours.mean():.2f} against {other.mean():.2f}"
    return evidence, wins == len(ours)


def _about_the_jacobian(found: Mapping[str, Any] | None) -> Iterator[Verdict]:
    if not found or "pauc_jacobian" not in found:  # not computed, or a benchmark without pairs
        return
    jacobian, discrete = found["pauc_jacobian"], found["pauc_discrete"]
    text = f"Jacobian and discrete drift rank images alike (Spearman ≥ {SAME_RANKING:g}, pAUC within {SAME_AREA:.0%})"
    evidence = f"Spearman {found['spearman']:.4f}, pAUC {jacobian:.2f} and {discrete:.2f} at ρ = {found['ratio']:g}"
    holds = found["spearman"] >= SAME_RANKING and abs(jacobian - discrete) / discrete <= SAME_AREA
    yield Verdict("jacobian", True, text, evidence, holds)


def _about_random_order(found: Mapping[str, Any]) -> Verdict:
    best, chance = found["pauc_best"], found["pauc_random_min"]
    evidence = ", ".join(f"{v} {best[v]:.2f} (best random order {chance[v]:.2f})" for v in best)
    text = f"PreFIQs ({found['best_variant']}) beats every random order"
    return Verdict("random-order", False, text, f"pAUC {evidence}", all(best[v] < chance[v] for v in best))


def _about_the_norm(found: Mapping[str, Any]) -> Verdict:
    best, norm, change = found["pauc_best"], found["pauc_norm"], found["difference_to_norm"]
    parts = [f"{v} {best[v]:.2f} (norm {norm[v]:.2f}, difference {_signed(*change[v])})" for v in best]
    text = f"PreFIQs ({found['best_variant']}) beats the embedding norm"
    return Verdict("norm", False, text, f"pAUC {', '.join(parts)}", all(best[v] < norm[v] for v in best))


def _about_the_ratio(found: Mapping[str, Any]) -> Iterator[Verdict]:
    if "usual_ratio" not in found:
        return
    usual = found["usual_ratio"]
    _, low, _ = usual["difference_to_best"]
    text = f"ρ = {usual['ratio']:g} cannot be distinguished from the best ratio (interval of the difference holds 0)"
    evidence = f"same-model pAUC {usual['pauc']:.2f}; best is {found['best_variant']}, "
    yield Verdict("ratio", True, text, f"{evidence}difference {_signed(*usual['difference_to_best'])}", low <= 0)


def _signed(value: float, low: float, high: float) -> str:
    return f"{value:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}".replace("-", "−")
