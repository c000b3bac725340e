"""Write the results of README.md and reports/README.md from the published runs: `make readme`. No number is typed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.studies.candidates import relative_areas as relative_to_norm
from prefiqs.pipeline.studies.claims import verdicts
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.cost import pauc_by_cost
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.paper.printed import comparable
from prefiqs.reporting.tables import Table

ROOT = Path(__file__).parents[1]
ROWS = (  # run, benchmark, estimator, verifier
    ("default", "orl-xq", "sface", "sface"),
    ("wild", "lfw-all", "mobilefacenet-y1", "sface"),
    ("wild", "cfp-fp-all", "mobilefacenet-y1", "sface"),
)
CANDIDATES = (("wild", "lfw", "LFW"), ("wild", "cfp-fp", "CFP-FP"), ("default", "orl-xq", "orl-xq"))
CHOOSING = ("sface", "mobilefacenet-y1")  # estimators that choose a score on LFW and CFP-FP
CONFIRMING = ("orl-xq", "mobilefacenet-512")  # a benchmark, and an estimator on LFW and CFP-FP
NORM = "norm ‖e‖"
RUNS = {
    "default": "ORL, and ORL degraded in graded steps (`orl-xq`)",
    "wild": "LFW, CFP frontal to profile (`cfp-fp`) and frontal to frontal (`cfp-ff`): official pairs, and (`-all`) "
    "all genuine and many more impostor pairs",
}


def row(run: str, benchmark: str, estimator: str, verifier: str) -> list[str]:
    """The cells of a benchmark and verifier; the smallest area of a method is bold."""
    folder = ROOT / "reports" / run / "edc" / benchmark / estimator
    chosen = "verifier == @verifier and fmr == 0.001 and threshold == 'recomputed'"
    areas = pd.read_csv(folder / "areas.csv").query(chosen).set_index("key")
    methods = [MethodId.of(name, estimator) for name in ("pruning-margin", "norm")]
    paucs = [areas.loc[m.key, "pauc"] for m in (MethodId.of_spec(estimator, PruningSpec(0.4)), *methods)]
    cells = [f"**{pauc:.2f}**" if pauc == min(paucs) else f"{pauc:.2f}" for pauc in paucs]
    fnmr = f"{100 * areas['fnmr'].iloc[0]:.2f}"
    return [benchmark, estimator, verifier, fnmr, *cells, f"{areas['random'].iloc[0]:.2f}"]


def published(run: str) -> bool:
    """Whether a run is among the reports."""
    return (ROOT / "reports" / run / "manifest.json").is_file()


def areas() -> str:
    """pAUC of the main methods."""
    head = ["benchmark", "estimator", "verifier", "FNMR (%)", "PreFIQs, ρ = 0.4", "pruning-margin"]
    lines = [[*head, "embedding norm", "random order"], ["---", "---", "---", *["---:"] * 5]]
    lines += [row(*of) for of in ROWS if published(of[0])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def claims() -> str:
    """How often each claim holds, and whether it does, a row a benchmark and estimator."""
    runs = list(filter(published, RUNS))
    judged = pd.concat([pd.read_csv(ROOT / "reports" / run / "claims.csv") for run in runs])
    links = ", ".join(f"[{run}]({run}/claims.md)" for run in runs)
    wide = verdicts(judged)
    counts = wide.drop(columns=["benchmark", "estimator"]).apply(pd.Series.value_counts).fillna(0).astype(int)
    counts = counts.reindex(["yes", "undecided", "no"]).T.rename_axis("claim").reset_index()
    overview, details = map(_shown, (counts, wide))
    return "\n\n".join([overview, "By benchmark and estimator:", details, f"The numbers behind them: {links}."])


def comparability() -> str:
    """How many of the paper's printed numbers can be compared with ours, and why most others cannot, by run."""
    tables = []
    for run in filter(published, RUNS):
        table = comparable(pd.read_csv(ROOT / "reports" / run / "paper" / "companion.csv"))
        named = table.rename(columns={"comparable": run, "reason": f"why most others cannot ({run})"})
        tables.append(named.set_index(["table", "printed"]))
    wide = pd.concat(tables, axis=1).reset_index()
    areas = wide[wide["table"] != "Table 1"]
    counts = " and ".join(f"{areas[run].sum()} (run {run})" for run in filter(published, RUNS))
    text = f"Of the {areas['printed'].sum()} areas and accuracies that the paper prints, {counts} can be compared."
    return f"{text}\n\n{_shown(wide)}"


def run_by_run() -> str:
    """What each run says to each question, and a figure that shows it."""
    parts = []
    for run, benchmark, estimator, _ in ROWS:
        if published(run):
            parts.append(f"### {benchmark}, quality from {estimator} (run [{run}]({run}/README.md))")
            for question, answer, stage, figure in QUESTIONS:
                if not (sentences := list(answer(run, benchmark, estimator))):
                    continue
                parts.append(f"**{question}** {' '.join(sentences)}")
                for shown in (benchmark, benchmark.removesuffix("-all")):  # some stages do without pairs
                    path = f"{run}/{stage}/{shown}/{estimator}/{figure}.png"
                    if (ROOT / "reports" / path).is_file():
                        parts.append(f"![{question} {shown}, quality from {estimator}]({path})")
                        break
    return "\n\n".join(parts)


def against_baselines(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """How PreFIQs compares with random order and with the norm, at ρ = 0.4 and at its best ratio."""
    numbers, areas = _numbers(run, benchmark, estimator), _prefiqs(run, benchmark, estimator)
    usual, verifiers = areas[areas["ratio"] == 0.4], len(numbers["pauc_best"])
    better = sum(high < 0 for _, _, high in numbers["difference_to_random"].values())
    yield f"At its best ratio, PreFIQs is better than random order with {better} of {verifiers} verifiers."
    worse, clearly = (usual["from_norm"] > 0).sum(), (usual["from_norm_low"] > 0).sum()
    yield f"At ρ = 0.4, the norm is better with {worse} ({clearly} intervals exclude 0)."
    chosen = numbers["difference_to_norm"].values()
    worse, undecided = sum(low > 0 for _, low, _ in chosen), sum(low <= 0 <= high for _, low, high in chosen)
    yield f"At the best ratio, the norm is better with {worse}, and the comparison is undecided with {undecided}."


def how_to_prune(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """Which ratio is best, from which on PreFIQs is useless, and at which the way to prune matters."""
    numbers, areas = _numbers(run, benchmark, estimator), _prefiqs(run, benchmark, estimator)
    best = areas.groupby("ratio")["pauc"].mean().idxmin()
    yield f"The area is smallest at ρ = {best:g} (mean over the verifiers)."
    useless = areas["pauc"] >= areas["verifier"].map(numbers["pauc_random_min"])
    lost = useless.groupby(areas["ratio"]).all()
    if lost.any():
        yield f"From ρ = {lost.idxmax():g} on, PreFIQs is no better than the best random order, whatever the verifier."
    for title, key in (("Unstructured beats structured", "to_structured"), ("L1 beats random", "to_random_pruning")):
        ratios = [ratio for ratio, (_, _, high) in numbers[key].items() if ratio != "mean" and high < 0]
        if numbers[key]:  # otherwise not run
            yield f"{title} at {'ρ = ' * bool(ratios)}{', '.join(ratios) or 'no ratio'}."


def derivative(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """What the claim about the Jacobian drift came to."""
    judged = pd.read_csv(ROOT / "reports" / run / "claims.csv").query("claim == 'jacobian' and estimator == @estimator")
    judged = judged[judged["benchmark"].isin([benchmark, benchmark.removesuffix("-all")])]
    for row in judged.itertuples():
        yield f"{row.text}: {row.verdict}. {row.evidence}."


def study() -> str:
    """What the ablations say, and their figure."""
    folder = ROOT / "reports" / "study"
    table, figure = (
        next(
            path
            for path in sorted(folder.rglob(f"ablation*.{kind}"))
            if not {"fmr", "passes"} & {*path.stem.split("-")}
        )
        for kind in ("csv", "png")
    )
    found = pd.read_csv(table).query("ratio == 0.4")
    names = found["question"].str.lstrip("0123456789 ") + ": " + found["variant"]
    worse, better = names[found["low"] > 0], names[found["high"] < 0]
    return (
        f"**What do layers, ranking, distance and seeds change?** At ρ = 0.4, the area is clearly larger (the interval "
        f"excludes 0) with {'; '.join(worse)}. It is clearly smaller with {'; '.join(better)}.\n\n"
        f"![{table.stem}]({figure.relative_to(ROOT / 'reports').as_posix()})"
    )


def _numbers(run: str, benchmark: str, estimator: str) -> dict[str, Any]:
    found = json.loads((ROOT / "reports" / run / "numbers.json").read_text("utf-8"))
    return found[f"edc-{benchmark}-{estimator}"]


def _prefiqs(run: str, benchmark: str, estimator: str) -> pd.DataFrame:
    """The areas of unstructured L1 pruning."""
    areas = pd.read_csv(ROOT / "reports" / run / "edc" / benchmark / estimator / "areas.csv")
    here = "fmr == 0.001 and method == 'prefiqs' and granularity == 'unstructured' and criterion == 'l1'"
    return areas.query(f"{here} and threshold == 'recomputed'")


def _shown(frame: pd.DataFrame) -> str:
    return Table(frame, "").markdown().strip()


QUESTIONS = (  # question, answer, and stage and name of its figure
    ("Is PreFIQs better than random order, and than the norm?", against_baselines, "edc", "intervals"),
    ("How should one prune?", how_to_prune, "edc", "pauc"),
    ("Is drift a derivative?", derivative, "jacobian", "scatter"),
)


def what_was_run() -> str:
    """What was run where, from the manifests."""
    rows = []
    for run, data in RUNS.items():
        if published(run):
            made = json.loads((ROOT / "reports" / run / "manifest.json").read_text("utf-8"))
            machine = ", ".join(filter(None, [made["processor"], f"{made['cores']} cores", made["gpu"]]))
            versions = ", ".join(f"{name} {made['versions'][name]}" for name in ("python", "torch", "openvino"))
            minutes = round(made["seconds"] / 60)
            rows.append((f"[{run}]({run}/README.md)", data, made["date"], made["commit"], minutes, machine, versions))
    columns = ["run", "data", "date", "commit", "minutes of computing", "machine", "versions"]
    return _shown(pd.DataFrame(rows, columns=columns))


def margin() -> str:
    """How often the pruning margin has a smaller area than the norm, by data set."""
    sentences = []
    for run, benchmark, name in (
        ("wild", "lfw-all", "LFW"),
        ("wild", "cfp-fp-all", "CFP-FP"),
        ("default", "orl-xq", "orl-xq"),
    ):
        tables = [pd.read_csv(path) for path in (ROOT / "reports" / run / "edc" / benchmark).glob("*/areas.csv")]
        found = pd.concat(tables).query("fmr == 0.001 and threshold == 'recomputed' and method == 'pruning-margin'")
        better, clearly = (found["from_norm"] < 0).sum(), (found["from_norm_high"] < 0).sum()
        sentences.append(f"{name} {better} of {len(found)} ({clearly} intervals exclude 0)")
    return f"Smaller area than the norm, of all estimators and verifiers: {'; '.join(sentences)}."


def candidates() -> str:
    """The best training-free score of each price, chosen on some data and judged on others."""
    found = relative_areas()
    chosen = found[found["choosing"]].groupby(["group", "key"], sort=False)["relative"].mean()
    winners = chosen.groupby("group", sort=False).idxmin().str[1]
    shown = dict.fromkeys([NORM, *winners, "pruning-margin ‖e‖·κ²", "PreFIQs, ρ = 0.2", "PreFIQs, ρ = 0.4"])
    rows = [candidate(found[found["key"] == key], "**{}**" if key in winners.values else "{}") for key in shown]
    head = ["score", "passes", "LFW, CFP-FP", *CONFIRMING, "better than the norm", "better than PreFIQs"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    best = "; ".join(f"{group}: {key}" for group, key in winners.items())
    return f"Best on LFW and CFP-FP with {' and '.join(CHOOSING)}: {best}.\n\n" + "\n".join(
        f"| {' | '.join(cells)} |" for cells in lines
    )


def candidate(rows: pd.DataFrame, mark: str) -> list[str]:
    """The cells of a score; in the last two, how many intervals exclude 0 on data that did not choose it."""
    means = [rows.loc[rows["choosing"], "relative"].mean()]
    means += [rows.loc[rows["confirming"] == name, "relative"].mean() for name in CONFIRMING]
    others = rows[rows["confirming"] == "orl-xq"]
    counts = []
    for rival in ("from the norm", "from PreFIQs"):
        better, worse = (others[f"{rival}_high"] < 0).sum(), (others[f"{rival}_low"] > 0).sum()
        known = others[rival].notna().any()
        counts.append(f"{better} of {len(others)}, worse {worse}" if known else "–")
    return [mark.format(rows["key"].iloc[0]), f"{rows['passes'].mean():.2f}", *(f"{m:.3f}" for m in means), *counts]


def relative_areas() -> pd.DataFrame:
    """The areas of all candidates over that of the norm, with the data and estimators that choose or confirm."""
    parts = []
    for run, benchmark, data in CANDIDATES:
        for path in sorted((ROOT / "reports" / run / "candidates" / benchmark).glob("*/areas.csv")):
            table = pd.read_csv(path)
            parts.append(table.assign(data=data, estimator=path.parent.name, relative=relative_to_norm(table)))
    found = pd.concat(parts, ignore_index=True)
    found["choosing"] = (found["data"] != "orl-xq") & found["estimator"].isin(CHOOSING)
    found["confirming"] = found["data"].where(found["data"] == "orl-xq", found["estimator"]).where(~found["choosing"])
    return found


def price() -> None:
    """Draw the areas of all candidates by their cost, on three data sets and with two estimators."""
    found = relative_areas()
    found = found[found["estimator"].isin(["sface", "mobilefacenet-512"])]
    of = ["data", "estimator", "group", "key", "passes"]
    points = found.groupby(of, sort=False)["relative"].mean().rename("pauc").reset_index()
    points["panel"] = points["data"] + ", quality from " + points["estimator"]
    named = {NORM: "norm", "pruning-margin ‖e‖·κ²": "pruning-margin", "PreFIQs, ρ = 0.4": "prefiqs"}
    group = points["group"].where(~points["key"].isin(named), points["key"])
    points = points.assign(
        label=points["key"], cost=points["passes"], method=points["key"].map(named).fillna(""), group=group
    )
    title = "pAUC of training-free scores relative to that of the norm, mean over verifiers; lower is better"
    figure = pauc_by_cost(points, "forward passes per face", title, area="relative pAUC")
    save_figure(figure, ROOT / "reports" / "price.png")


def fill(page: Path, **contents: str) -> None:
    """Put each of `contents` between the marks of its name in a page."""
    text = page.read_text(encoding="utf-8")
    for name, content in contents.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{content}\n{end}{rest.partition(end)[2]}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    fill(ROOT / "README.md", results=areas())
    fill(
        ROOT / "reports" / "README.md",
        results=claims(),
        comparable=comparability(),
        questions=run_by_run(),
        study=study(),
        margin=margin(),
        candidates=candidates(),
        runs=what_was_run(),
    )
    price()
