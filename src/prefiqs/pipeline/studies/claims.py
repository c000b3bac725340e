"""The claims of the paper, and two that every quality measure must face, judged on the results of a run."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.pipeline.run import Run

SMALL_RATIO = 0.3  # what "small ρ" means in the paper's second claim
SAME_RANKING = 0.9  # the Spearman correlation from which two drifts count as ranking images alike
SAME_AREA = 0.05  # how far their pAUC may differ then, relatively

Verdict = tuple[str, bool, str, str, bool]  # claim, from_paper, text, evidence, holds


def judge(run: Run, numbers: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row a claim, benchmark of `report.claims` and estimator; numbers: by stage and item, such as `edc-orl-sface`.

    from_paper: False if every quality measure must face it. text: the claim. evidence: the numbers behind the verdict.
    """
    rows = []
    for benchmark, model in product(run.params.report.claims, run.params.models.quality):
        edc, jacobian = numbers[f"edc-{benchmark}-{model}"], numbers.get(f"jacobian-{benchmark}-{model}")
        pruning = _about_pruning(_mean_areas(run, benchmark, model))
        verdicts = [*pruning, *_about_the_jacobian(jacobian), *_about_areas(edc)]
        rows += [(*verdict, benchmark, model) for verdict in verdicts]
    columns = ["claim", "from_paper", "text", "evidence", "holds", "benchmark", "estimator"]
    return pd.DataFrame(rows, columns=columns)


def _mean_areas(run: Run, benchmark: str, model: str) -> pd.DataFrame:
    """Mean pAUC·10³ over the verifiers, one row per ratio, one column per strategy (granularity, criterion)."""
    edc = run.params.edc
    areas = read_table(run.layout.results("edc", benchmark, model) / "areas.csv")
    pruned = (areas["method"] == "prefiqs") & areas["granularity"].notna()
    chosen = areas[pruned & (areas["fmr"] == edc.fmr[0]) & (areas["threshold"] == edc.threshold)]
    return chosen.pivot_table(index="ratio", columns=["granularity", "criterion"], values="pauc", aggfunc="mean")


def _about_pruning(mean: pd.DataFrame) -> Iterator[Verdict]:
    ours, structured, random = ("unstructured", "l1"), ("structured", "l1"), ("unstructured", "random")
    if {ours, structured} <= set(mean):
        text = "Unstructured L1 pruning beats structured L1 pruning at every ρ"
        yield "granularity", True, text, *_smaller(mean[ours], mean[structured])
    if {ours, random} <= set(mean):
        small = mean[mean.index <= SMALL_RATIO]
        small = mean.iloc[:1] if small.empty else small
        text = f"L1 pruning beats random pruning at small ρ (unstructured, ρ ≤ {small.index.max():g})"
        yield "criterion", True, text, *_smaller(small[ours], small[random])


def _smaller(ours: pd.Series, other: pd.Series) -> tuple[str, bool]:
    wins = int((ours < other).sum())
    evidence = f"smaller mean pAUC at {wins} of {len(ours)} ratios; mean {ours.mean():.2f} against {other.mean():.2f}"
    return evidence, wins == len(ours)


def _about_the_jacobian(found: Mapping[str, Any] | None) -> Iterator[Verdict]:
    if not found or "pauc_jacobian" not in found:  # not computed, or a benchmark without pairs
        return
    jacobian, discrete = found["pauc_jacobian"], found["pauc_discrete"]
    text = f"Jacobian and discrete drift rank images alike (Spearman ≥ {SAME_RANKING:g}, pAUC within {SAME_AREA:.0%})"
    if found["spearman"] is None:  # as where the smallest weights do nothing
        evidence = f"they do not rank images at all: every drift is the same at ρ = {found['ratio']:g}"
        yield "jacobian", True, text, evidence, False
        return
    evidence = f"Spearman {found['spearman']:.4f}, pAUC {jacobian:.2f} and {discrete:.2f} at ρ = {found['ratio']:g}"
    holds = found["spearman"] >= SAME_RANKING and abs(jacobian - discrete) / discrete <= SAME_AREA
    yield "jacobian", True, text, evidence, holds


def _about_areas(found: Mapping[str, Any]) -> Iterator[Verdict]:
    best, norm, chance = found["pauc_best"], found["pauc_norm"], found["pauc_random_min"]
    change, usual, variant = found["difference_to_norm"], found["usual_ratio"], found["best_variant"]
    evidence = ", ".join(f"{v} {best[v]:.2f} (best random order {chance[v]:.2f})" for v in best)
    text = f"PreFIQs ({variant}) beats every random order"
    yield "random-order", False, text, f"pAUC {evidence}", all(best[v] < chance[v] for v in best)
    evidence = ", ".join(f"{v} {best[v]:.2f} (norm {norm[v]:.2f}, difference {_signed(*change[v])})" for v in best)
    text = f"PreFIQs ({variant}) beats the embedding norm"
    yield "norm", False, text, f"pAUC {evidence}", all(best[v] < norm[v] for v in best)
    difference = _signed(*usual["difference_to_best"])
    text = f"ρ = {usual['ratio']:g} cannot be distinguished from the best ratio (interval of the difference holds 0)"
    evidence = f"same-model pAUC {usual['pauc']:.2f}; best is {variant}, difference {difference}"
    yield "ratio", True, text, evidence, usual["difference_to_best"][1] <= 0


def _signed(value: float, low: float, high: float) -> str:
    return f"{value:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}".replace("-", "−")
