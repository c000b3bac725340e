"""The report: the paper's claims checked against the tables of the stages, and the page that shows it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import pandas as pd

from prefiqs.io.tables import read_table
from prefiqs.pipeline.params import Params

SMALL_RATIO = 0.3  # what "small ρ" means in the second claim
SAME_RANKING = 0.9  # the Spearman correlation from which two drifts "rank alike"
SAME_AREA = 0.05  # and how far their pAUC may differ, relatively


def paper_claims(reports: str | Path, numbers: Mapping, params: Params) -> pd.DataFrame:
    """Check the claims of the paper on the benchmarks of `report.claims` and every quality estimator.

    Args:
        reports: folder of the rendered artefacts; reads tables/table3-*.csv.
        numbers: what `merge_numbers` gave.
        params: which benchmarks and models there are.

    Returns:
        One row a claim and benchmark: claim, benchmark, evidence, holds ("yes" or "no").
    """
    rows = []
    for benchmark, model in product(params.report.claims, params.models.quality):
        name = f"{benchmark}-{model}"
        areas = read_table(Path(reports) / "tables" / f"table3-{name}.csv")
        mean = areas.pivot(index="ratio", columns="strategy", values="mean")
        rows += [(claim, name, *outcome) for claim, outcome in _claims_about_pruning(mean)]
        if f"jacobian-{name}" in numbers:
            rows.append(_claim_about_the_jacobian(name, numbers[f"jacobian-{name}"]))
        rows.append(_claim_about_random_order(name, numbers[f"edc-{name}"]))
        rows.append(_comparison_with_the_norm(name, numbers[f"edc-{name}"]))
        if "usual_ratio" in numbers[f"edc-{name}"]:
            rows.append(_claim_about_the_ratio(name, numbers[f"edc-{name}"]))
    table = pd.DataFrame(rows, columns=["claim", "benchmark", "evidence", "holds"])
    return table.assign(holds=table["holds"].map({True: "yes", False: "no"}))


def _claims_about_pruning(mean: pd.DataFrame) -> Iterator[tuple[str, tuple[str, bool]]]:
    small = mean[mean.index <= SMALL_RATIO]
    small = mean.iloc[:1] if small.empty else small
    if {"unstructured l1", "structured l1"} <= set(mean.columns):
        yield (
            "Unstructured L1 beats structured L1 at every ρ",
            _smaller(mean["unstructured l1"], mean["structured l1"]),
        )
    if {"unstructured l1", "unstructured random"} <= set(mean.columns):
        yield (
            f"L1 beats random pruning at small ρ (unstructured, ρ ≤ {small.index.max():g})",
            _smaller(small["unstructured l1"], small["unstructured random"]),
        )


def _smaller(ours: pd.Series, other: pd.Series) -> tuple[str, bool]:
    wins = int((ours < other).sum())
    means = f"over all of them {ours.mean():.2f} against {other.mean():.2f}"
    evidence = f"smaller mean pAUC at {wins} of {len(ours)} ratios; {means}"
    return evidence, wins == len(ours)


def _claim_about_the_jacobian(name: str, found: Mapping) -> tuple[str, str, str, bool]:
    jacobian, discrete = found["pauc_jacobian"], found["pauc_discrete"]
    difference = abs(jacobian - discrete) / discrete
    return (
        f"Jacobian and discrete drift rank images alike (Spearman ≥ {SAME_RANKING:g}, pAUC within {SAME_AREA:.0%})",
        name,
        f"Spearman {found['spearman']:.4f}, pAUC {jacobian:.2f} and {discrete:.2f} at ρ = {found['ratio']:g}",
        found["spearman"] >= SAME_RANKING and difference <= SAME_AREA,
    )


def _claim_about_random_order(name: str, found: Mapping) -> tuple[str, str, str, bool]:
    best, chance = found["pauc_best"], found["pauc_random_min"]
    evidence = ", ".join(f"{v} {best[v]:.2f} (best random order {chance[v]:.2f})" for v in best)
    holds = all(best[v] < chance[v] for v in best)
    return (f"PreFIQs ({found['best_variant']}) beats every random order", name, f"pAUC {evidence}", holds)


def _comparison_with_the_norm(name: str, found: Mapping) -> tuple[str, str, str, bool]:
    best, norm, change = found["pauc_best"], found["pauc_norm"], found["difference_to_norm"]
    evidence = ", ".join(
        f"{v} {best[v]:.2f} (norm {norm[v]:.2f}, difference {_interval(*change[v], sign='+')})" for v in best
    )
    holds = all(best[v] < norm[v] for v in best)
    return (f"PreFIQs ({found['best_variant']}) beats the embedding norm", name, f"pAUC {evidence}", holds)


def _claim_about_the_ratio(name: str, found: Mapping) -> tuple[str, str, str, bool]:
    usual = found["usual_ratio"]
    difference, low, high = usual["difference_to_best"]
    evidence = (
        f"same-model pAUC {usual['pauc']:.2f}; best is {found['best_variant']}, "
        f"difference {_interval(difference, low, high, sign='+')}"
    )
    claim = (
        f"ρ = {usual['ratio']:g} is as good as the best ratio of unstructured L1 (interval of the difference holds 0)"
    )
    return claim, name, evidence, low <= 0


def _interval(value: float, low: float, high: float, *, sign: str = "") -> str:
    return f"{value:{sign}.2f}, 95 % {low:{sign}.2f} to {high:{sign}.2f}".replace("-", "−")


def report_text(reports: str | Path, numbers: Mapping, claims: pd.DataFrame, params: Params) -> str:
    """The report as Markdown, links relative to the folder `reports`; every number comes from a file of a stage."""
    models = ", ".join([*params.models.quality, *params.models.cross])
    head = _HEAD.format(benchmarks=", ".join(params.benchmarks.all), models=models)
    sections = [head, *([f"**{params.report.note}**"] if params.report.note else []), _claims_section(claims)]
    for benchmark, model in product(params.benchmarks.paired, params.models.quality):
        sections.append(_benchmark_section(Path(reports), f"{benchmark}-{model}", benchmark, numbers, params))
    for benchmark, model in product(params.transformer.benchmarks, params.transformer.models):
        sections.append(_transformer_section(f"{benchmark}-{model}", model, numbers))
    sections.append(_paper_section(Path(reports), params.models.quality))
    pages = sorted((Path(reports) / "notebooks").glob("*.html"))
    sections.append("## The notebooks\n\n" + "\n".join(f"* [{p.stem}](notebooks/{p.name})" for p in pages))
    return "\n\n".join(sections) + "\n"


_HEAD = """# What survives pruning: results on {benchmarks}

A face-recognition network M_θ turns an aligned face x into a normalised embedding ê(x). Remove a share ρ of its
weights and embed the face again: the **drift** D(x) = ‖ê(x) − ê_ρ(x)‖₂ says how much this face needed the weights that
are gone, and **quality** is what survives, Q(x) = 1 − D(x)/2. No labels, no training, two forward passes.

Everything below was computed by `dvc repro` (networks: {models}); this page is written by its
last stage. pAUC is the area under FNMR over the discarded share of pairs, up to the limit in `params.yaml`, times 1000:
smaller = better."""


def _claims_section(claims: pd.DataFrame) -> str:
    if claims.empty:
        return "## The claims of the paper, on our data\n\nNone is judged in this run."
    lines = [f"* **{row.holds}** – {row.claim}. *{row.evidence}* ({row.benchmark})" for row in claims.itertuples()]
    return "## The claims of the paper, on our data\n\n" + "\n".join(lines)


def _benchmark_section(reports: Path, name: str, benchmark: str, numbers: Mapping, params: Params) -> str:
    found = numbers[f"edc-{name}"]
    lines = "\n".join(
        f"| {v} | {100 * found['fnmr_without_discard'][v]:.2f} "
        f"| {_interval(found['pauc_best'][v], *found['pauc_best_interval'][v])} "
        f"| {found['pauc_norm'][v]:.2f} | {found['pauc_random_mean'][v]:.2f} | {_severity(found, v)} |"
        for v in found["pauc_best"]
    )
    parts = [
        f"## {name}",
        f"Without discarding, and pAUC·10³ at FMR {params.edc.fmr[0]:g}, for the best unstructured ratio of the "
        f"estimator's own verification ({found['best_variant']}), with its interval by a bootstrap over "
        f"{found['resampled']} ({found['resamples']} resamples):",
        "| verifier | FNMR (%) | PreFIQs | embedding norm | random order | true severity |\n"
        f"| --- | ---: | ---: | ---: | ---: | ---: |\n{lines}",
    ]
    if f"verification-{name}" in numbers:
        parts.append(_accuracy_line(numbers[f"verification-{name}"]))
    figures = ["edc", "pauc", "intervals", "accuracy", "gallery", "jacobian", "density"]
    figures += ["ranks", "side-by-side", "ablation", "ablation-fmr"]
    parts += [f"![{f}](figures/{f}-{name}.png)" for f in figures if (reports / "figures" / f"{f}-{name}.png").is_file()]
    tables = ["table2", "jacobian-ablation", "table3", "table4", "ablation", "ablation-fmr", "ablation-passes"]
    links = [f"[{t}](tables/{t}-{name}.md)" for t in tables if (reports / "tables" / f"{t}-{name}.md").is_file()]
    return "\n\n".join([*parts, "Tables: " + ", ".join(links) + "."])


def _accuracy_line(found: Mapping) -> str:
    flipped = f"{found['unpruned']:.2f} % with the flip test, " if found["flip_test"] else ""
    return (
        f"Verification accuracy of the unpruned network over {found['pairs']:,} pairs in folds: {flipped}"
        f"{found['unpruned_without_flip_test']:.2f} % without flip test."
    )


def _transformer_section(name: str, model: str, numbers: Mapping) -> str:
    found = numbers[f"transformer-{name}"]
    chance, best = found["pauc_random_mean"], found["pauc_random_min"]
    header = (
        f"| method | {' | '.join(chance)} | better than every random order |\n| --- |"
        + " ---: |" * len(chance)
        + " --- |"
    )
    lines = [
        f"| {method} | " + " | ".join(f"{areas[v]:.2f}" for v in chance)
        + f" | {', '.join(v for v in chance if areas[v] < best[v]) or 'for none'} |"
        for method, areas in found["pauc"].items()
    ]  # fmt: skip
    lines.append("| random order | " + " | ".join(f"{value:.2f}" for value in chance.values()) + " | |")
    points = [
        f"* {kind}: best is {point['best']}; {point['recommended']} cannot be told from it, and costs "
        f"{found['gflops'][kind] / found['gflops']['all']:.0%} of a pass"
        for kind, point in found["points"].items()
    ]
    seen = [f"§ {model} was trained on images of this benchmark."] if found["seen"] else []
    return "\n\n".join([
        f"## {name}{' §' if found['seen'] else ''}: inside a transformer",
        f"ViTNT-FIQA (all blocks), ViT-FIQA (the last exit) and EX-FIQA-FW on {model}; pAUC·10³ by verifier:",
        "\n".join([header, *lines]),
        *seen,
        "\n".join(points),
        f"![pAUC over GFLOPs](figures/exits-{name}.png)",
        f"![attention of the quality token](figures/attention-{name}.png)",
        f"Tables: [exits](tables/exits-{name}.md), [blocks](tables/blocks-{name}.md).",
    ])  # fmt: skip


def _paper_section(reports: Path, estimators: list[str]) -> str:
    grids = [f"![EDC of all benchmarks, {m}](paper/edc-grid-{m}.png)" for m in estimators]
    links = [f"[{p.stem.removeprefix('paper-')}](paper/{p.name})" for p in sorted((reports / "paper").glob("*.md"))]
    text = (
        "Tables 1 to 5 as the paper sets them out; a companion holds printed value, ours and difference where the "
        "setting is the paper's, and says why where it is not: "
    )
    return "\n\n".join(["## The paper's tables and Fig. 3", text + ", ".join(links) + ".", *grids])


def _severity(found: Mapping, verifier: str) -> str:
    return f"{found['pauc_severity'][verifier]:.2f}" if "pauc_severity" in found else "–"
