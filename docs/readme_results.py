"""Write the results of README.md and reports/README.md from the published runs: `make readme`. No number is typed."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill as fill_lines
from typing import Any

import pandas as pd

from prefiqs.methods.registry import METHODS
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.studies.candidate_formulas import MARGIN, NORM
from prefiqs.pipeline.studies.candidate_formulas import relative_areas as relative_to_norm
from prefiqs.pipeline.studies.claims import verdicts
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import forest
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.paper.printed import comparable
from prefiqs.reporting.tables import TRAINED_ON, Table

ROOT = Path(__file__).parents[1]
ROWS = (  # run, benchmark, estimator, verifier
    ("default", "orl-xq", "sface", "sface"),
    ("wild", "lfw-all", "mobilefacenet-y1", "sface"),
    ("wild", "cfp-fp-all", "mobilefacenet-y1", "sface"),
)
CANDIDATES = (
    ("wild", "lfw", "LFW"),
    ("wild", "cfp-fp", "CFP-FP"),
    ("default", "orl-xq", "orl-xq"),
    ("wild", "cfp-ff", "CFP-FF"),
)
CHOOSING = ("sface", "mobilefacenet-y1")  # estimators that choose a score on LFW and CFP-FP
OTHERS = ("orl-xq", "CFP-FF")  # data that choose nothing
CONFIRMING = (*OTHERS, "mobilefacenet-512")  # data, and an estimator on LFW and CFP-FP
MARGINS = {"lfw-all": "wild", "cfp-fp-all": "wild", "orl-xq": "default", "cfp-ff": "wild"}  # runs by benchmark
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
    cells[1] += f" {TRAINED_ON}" * bool(areas.loc[methods[0].key, "trained_on"])
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
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{summary()}"


def summary() -> str:
    """What the intervals say of L1 pruning and of the pruning margin, on data that chose it and on others."""
    verdict = judged().query("claim == 'criterion'")["verdict"].value_counts()
    yes, undecided, no = (verdict.get(word, 0) for word in ("yes", "undecided", "no"))
    parts = []
    for chose, part in margins().groupby("chose", sort=True):
        below = (part["from_norm_high"] < 0).sum()
        which = "on data that chose it (§)" if chose else f"on other data ({', '.join(part['data'].unique())})"
        parts.append(f"{part['relative'].mean():.3f} {which}, with {below} of {len(part)} intervals below 0")
    text = (
        f"L1 pruning beats random pruning at small ρ, as the paper claims, in {yes} of {verdict.sum()} cases ("
        f"{undecided} undecided, {no} no). The area of `pruning-margin`, relative to the norm's, is "
        f"{'; '.join(parts)}."
    )
    return fill_lines(text, 125, break_on_hyphens=False, break_long_words=False)


def judged() -> pd.DataFrame:
    """The claims of all published runs."""
    runs = filter(published, dict.fromkeys(run for run, *_ in ROWS))
    return pd.concat([pd.read_csv(ROOT / "reports" / run / "claims.csv").assign(run=run) for run in runs])


def claims() -> str:
    """How often each claim holds, and whether it does, a row a benchmark and estimator."""
    runs = list(filter(published, RUNS))
    found = judged()
    links = ", ".join(f"[{run}]({run}/claims.md)" for run in runs)
    wide = verdicts(found)
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


def margins() -> pd.DataFrame:
    """The rows of all areas of the pruning margin, with data, estimator, and whether the data chose it.

    relative: over the norm's area.
    """
    parts = []
    for benchmark, run in MARGINS.items():
        for path in sorted((ROOT / "reports" / run / "edc" / benchmark).glob("*/areas.csv")):
            areas = pd.read_csv(path).query("fmr == 0.001 and threshold == 'recomputed'")
            norm = areas[areas["method"] == "norm"].set_index("verifier")["pauc"]
            own = areas[areas["method"] == "pruning-margin"]
            relative = own["pauc"] / own["verifier"].map(norm)
            chose = benchmark.removesuffix("-all") in METHODS["pruning-margin"].chosen_on
            parts.append(own.assign(data=benchmark, estimator=path.parent.name, relative=relative, chose=chose))
    return pd.concat(parts, ignore_index=True)


def margin() -> str:
    """The pruning margin against the norm, a row a data set and estimator."""
    rows = []
    for (data, estimator), part in margins().groupby(["data", "estimator"], sort=False):
        same = part["verifier"] == estimator
        counts = part["from_norm_high"] < 0, part["from_norm_low"] > 0
        ratios = part.loc[same, "relative"].mean(), part.loc[~same, "relative"].mean()
        rows.append(
            (data, bool(part["chose"].iloc[0]), estimator, *ratios, *(int(of.sum()) for of in counts), len(part))
        )
    columns = ["data", "chose it", "estimator", "same-model", "cross-model", "intervals below 0", "above 0", "of"]
    return Table(pd.DataFrame(rows, columns=columns), "", digits=dict.fromkeys(columns[3:5], 3)).markdown().strip()


def candidates() -> str:
    """The best training-free score of each price, chosen on some data and judged on others."""
    found = relative_areas()
    chosen = found[found["choosing"]].groupby(["group", "key"], sort=False)["relative"].mean()
    winners = chosen.groupby("group", sort=False).idxmin().str[1]
    shown = dict.fromkeys([NORM, *winners, MARGIN, "PreFIQs, ρ = 0.2", "PreFIQs, ρ = 0.4"])
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
    others = rows[rows["confirming"].isin(OTHERS)]
    counts = []
    for rival in ("from the norm", "from PreFIQs"):
        better, worse = (others[f"{rival}_high"] < 0).sum(), (others[f"{rival}_low"] > 0).sum()
        known = others[rival].notna().any()
        counts.append(f"{better} of {len(others)}, worse {worse}" if known else "–")
    numbers = ["–" if pd.isna(mean) else f"{mean:.3f}" for mean in means]
    return [mark.format(rows["key"].iloc[0]), f"{rows['passes'].mean():.2f}", *numbers, *counts]


def relative_areas() -> pd.DataFrame:
    """The areas of all candidates over that of the norm, with the data and estimators that choose or confirm."""
    parts = []
    for run, benchmark, data in CANDIDATES:
        for path in sorted((ROOT / "reports" / run / "candidates" / benchmark).glob("*/areas.csv")):
            table = pd.read_csv(path)
            table = table.assign(data=data, estimator=path.parent.name, relative=relative_to_norm(table))
            parts.append(table.dropna(subset="passes"))  # methods on other networks have no price
    found = pd.concat(parts, ignore_index=True)
    others = found["data"].isin(OTHERS)
    found["choosing"] = ~others & found["estimator"].isin(CHOOSING)
    found["confirming"] = found["data"].where(others, found["estimator"]).where(~found["choosing"])
    return found


def price() -> None:
    """Draw the areas of all candidates by their cost, on three data sets and with two estimators."""
    found = relative_areas()
    found = found[found["estimator"].isin(["sface", "mobilefacenet-512"]) & (found["data"] != "CFP-FF")]
    found = found[found["key"] != NORM].fillna({"method": ""})
    points = found.groupby(["data", "estimator", "group", "method", "key"], sort=False)["relative"].mean().reset_index()
    points["estimate"] = 100 * (points["relative"] - 1)
    points["order"] = points["estimate"].groupby(points["key"]).transform("mean")
    table = points.sort_values(["group", "order"], kind="stable").assign(low=float("nan"), high=float("nan"))
    table["verifier"] = table["data"] + "\nquality from " + table["estimator"]
    table["label"] = table["key"]
    title = "pAUC of training-free scores, by what they cost in forward passes, counted in multiply-adds"
    about = "difference of the pAUC from that of the norm (%), mean over verifiers; left of 0: better than the norm"
    figure = forest(table, title, about)
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
