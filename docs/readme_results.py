"""Write the results of README.md, reports/README.md and docs/determinism.md from the published runs: `make readme`.

No number is typed.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import fill as fill_lines
from typing import Any

import pandas as pd

from prefiqs.evaluation.tables import area_text
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.params import Params
from prefiqs.pipeline.studies.candidate_formulas import MARGIN, NORM
from prefiqs.pipeline.studies.candidate_formulas import relative_areas as relative_to_norm
from prefiqs.pipeline.studies.candidates import FRONT, on_front, ratio_text
from prefiqs.pipeline.studies.claims import STABLE_AREA, verdicts
from prefiqs.pipeline.workspace import run_parameters
from prefiqs.pruning.spec import PruningSpec
from prefiqs.reporting.figures.areas import forest
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.paper.printed import comparable
from prefiqs.reporting.tables import MISSING, TRAINED_ON, Table, marked

ROOT = Path(__file__).parents[1]
ROWS = (  # run, benchmark, estimator, verifier
    ("default", "orl-xq", "sface", "sface"),
    ("wild", "lfw-all", "mobilefacenet-y1", "sface"),
    ("wild", "cfp-fp-all", "mobilefacenet-y1", "sface"),
)
QUESTIONED = (  # run, benchmark, estimator
    ("default", "orl-xq", "sface"),
    *(
        ("wild", data, of)
        for of in ("mobilefacenet-y1", "sface", "mobilefacenet-512")
        for data in ("lfw-all", "cfp-fp-all")
    ),
    *(("wild-methods", "cfp-fp-all", of) for of in ("sface", "mobilefacenet-y1")),
)
JUDGED = ("default", "wild")  # runs that judge the claims; where both have a result, the second, with more verifiers
PAIRED = ("orl-xq", "lfw", "lfw-all", "cfp-fp", "cfp-fp-all", "cfp-ff")
CANDIDATES = {"lfw": "LFW", "cfp-fp": "CFP-FP", "orl-xq": "orl-xq", "cfp-ff": "CFP-FF"}  # data by benchmark
CHOOSING = ("sface", "mobilefacenet-y1")  # estimators that choose a score on LFW and CFP-FP
OTHERS = ("orl-xq", "CFP-FF")  # data that choose none of the scores that are listed
CONFIRMING = (*OTHERS, "mobilefacenet-512")  # data, and an estimator on LFW and CFP-FP
MARGINS = ("lfw-all", "cfp-fp-all", "orl-xq", "cfp-ff")
RUNS = {
    "default": "ORL, and ORL degraded in graded steps (`orl-xq`)",
    "wild": "LFW, CFP frontal to profile (`cfp-fp`) and frontal to frontal (`cfp-ff`): official pairs, and (`-all`) "
    "all genuine and many more impostor pairs",
    "wild-methods": "CFP frontal to profile, 50 people: FaceQAN, which is too slow for `wild`, and other methods",
    "study": "`orl-xq`: ablations and reduced precision",
}


def row(run: str, benchmark: str, estimator: str, verifier: str) -> list[str]:
    """The cells of a benchmark and verifier; the smallest area of a method is bold."""
    folder = ROOT / "reports" / run / "edc" / benchmark / estimator
    chosen = "verifier == @verifier and fmr == 0.001 and threshold == 'recomputed'"
    areas = pd.read_csv(folder / "areas.csv").query(chosen).set_index("key")
    methods = [MethodId.of(name, estimator) for name in ("pruning-margin", "norm")]
    shown = areas.loc[[m.key for m in (MethodId.of_spec(estimator, PruningSpec(0.4)), *methods)]]
    texts = [area_text(*of) for of in zip(shown["pauc"], shown["reliable"], strict=True)]
    best = shown["pauc"] == shown["pauc"].min()
    cells = [f"**{text}**" if bold else text for text, bold in zip(texts, best, strict=True)]
    cells[1] += f" {TRAINED_ON}" * bool(shown["trained_on"].iloc[1])
    fnmr = f"{100 * areas['fnmr'].iloc[0]:.2f}"
    return [benchmark, estimator, verifier, fnmr, *cells, f"{areas['random'].iloc[0]:.2f}"]


def published(run: str) -> bool:
    """Whether a run is among the reports."""
    return (ROOT / "reports" / run / "manifest.json").is_file()


@cache
def params(run: str) -> Params:
    """The parameters of a run: of its preset, or of params.yaml."""
    return run_parameters(ROOT, None if run == "default" else run, {}, run)[0]


def areas() -> str:
    """pAUC of the main methods."""
    head = ["benchmark", "estimator", "verifier", "FNMR (%)", "PreFIQs, ρ = 0.4", "pruning-margin"]
    rows = [[*head, "embedding norm", "random order"], *(row(*of) for of in ROWS if published(of[0]))]
    title, *lines = (f"| {' | '.join(cells)} |" for cells in rows)
    return "\n".join([title, f"|{'---|' * 3}{'---:|' * 5}", *lines]) + f"\n\n{summary()}"


def summary() -> str:
    """What intervals say of L1 pruning, of the norm and of the pruning margin, on data that chose it and on others."""
    criterion = judged().query("claim == 'criterion'")
    yes, no = brief(criterion["verdict"] == "yes", criterion["reliable"]), (criterion["verdict"] == "no").sum()
    usual = prefiqs(pd.concat([areas_of("edc", name) for name in PAIRED])).query("ratio == 0.4")
    worse, clearly = (brief(usual[f"from_norm{end}"] > 0, usual["reliable"]) for end in ("", "_low"))
    parts = []
    for (chose, sure), part in margins().groupby(["trained_on", "reliable"], sort=False):
        ratio = ratio_text(part["relative"].mean(), sure)
        below = brief(part["from_norm_high"] < 0, part["reliable"])
        data = " and ".join(part["data"].unique()) + f" {TRAINED_ON}" * chose
        parts.append(f"{ratio if sure else f'({ratio})'} on {data}, {below}")
    text = (
        "In brackets: not reliable (fewer than ten errors). L1 pruning beats random pruning at small ρ, as the paper "
        f"claims, in {yes} combinations of benchmark and estimator, and loses in {no} of {len(criterion)}. At ρ = 0.4, "
        f"the norm, at half the price, has a smaller area than PreFIQs in {worse} combinations with a verifier; the "
        f"interval of the difference excludes 0 in {clearly}. The area of `pruning-margin` divided by the norm's, and "
        f"how many intervals of the difference lie below 0: {'; '.join(parts)}."
    )
    return fill_lines(text, 125, break_on_hyphens=False, break_long_words=False)


def brief(hits: pd.Series, reliable: pd.Series) -> str:
    """How many are true, what is not reliable in brackets, such as "3 of 4 (1 of 6)"."""
    sure, others = (f"{hits[which].sum()} of {which.sum()}" * bool(which.any()) for which in (reliable, ~reliable))
    return f"{sure} ({others})".removesuffix(" ()").lstrip()


def areas_of(stage: str, benchmark: str) -> pd.DataFrame:
    """The areas that a stage found on a benchmark with all estimators, of the run with more verifiers."""
    for run in reversed(JUDGED):
        if paths := sorted((ROOT / "reports" / run / stage / benchmark).glob("*/areas.csv")):
            return pd.concat([pd.read_csv(path).assign(estimator=path.parent.name) for path in paths])
    return pd.DataFrame()


def judged() -> pd.DataFrame:
    """The claims of all published runs."""
    parts = [pd.read_csv(ROOT / "reports" / run / "claims.csv") for run in filter(published, JUDGED)]
    return pd.concat(parts).drop_duplicates(["claim", "benchmark", "estimator"], keep="last", ignore_index=True)


def claims() -> str:
    """How often each claim holds, and whether it does, a row a benchmark and estimator."""
    found = judged()
    links = ", ".join(f"[{run}]({run}/claims.md)" for run in filter(published, JUDGED))
    found["verdict"] = found["verdict"].where(found["reliable"], "(" + found["verdict"] + ")")
    wide, words = verdicts(found), ("yes", "undecided", "no")
    counts = wide.drop(columns=["benchmark", "estimator"]).apply(pd.Series.value_counts)
    counts = counts.reindex([*words, *map("({})".format, words)]).fillna(0).astype(int).astype(str)
    counts = pd.DataFrame({word: counts.loc[word] + " (" + counts.loc[f"({word})"] + ")" for word in words})
    overview, details = map(_shown, (counts.rename_axis("claim").reset_index(), wide))
    heading = "By benchmark and estimator; verdicts in brackets rest on areas that are not reliable:"
    return "\n\n".join([overview, heading, details, f"The numbers behind them: {links}."])


def comparability() -> str:
    """How many of the paper's printed numbers can be compared with ours, and why most others cannot, by run."""
    tables = []
    for run in filter(published, JUDGED):
        table = comparable(pd.read_csv(ROOT / "reports" / run / "paper" / "companion.csv"))
        named = table.rename(columns={"comparable": run, "reason": f"why most others cannot ({run})"})
        tables.append(named.set_index(["table", "printed"]))
    wide = pd.concat(tables, axis=1).reset_index()
    areas = wide[wide["table"] != "Table 1"]
    counts = " and ".join(f"{areas[run].sum()} (run {run})" for run in filter(published, JUDGED))
    text = f"Of the {areas['printed'].sum()} areas and accuracies that the paper prints, {counts} can be compared."
    return f"{text}\n\n{_shown(wide)}"


def run_by_run() -> str:
    """What each run says to each question, and a figure that shows it."""
    parts = []
    for run, benchmark, estimator in QUESTIONED:
        if published(run):
            parts.append(f"### {benchmark}, quality from {estimator} (run [{run}]({run}/README.md))")
            for question, answer, stage, figure in QUESTIONS if run in JUDGED else [OF_METHODS]:
                if not (sentences := list(answer(run, benchmark, estimator))):
                    continue
                parts.append(f"**{question}** {' '.join(sentences)}")
                for shown in (benchmark, params(run).faces_of(benchmark)):  # some stages do without pairs
                    path = f"{run}/{stage}/{shown}/{estimator}/{figure}.png"
                    if (ROOT / "reports" / path).is_file():
                        parts.append(f"![{question} {shown}, quality from {estimator}]({path})")
                        break
    return "\n\n".join(parts)


def against_baselines(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """How PreFIQs compares with random order and with the norm, at ρ = 0.4 and at its best ratio."""
    numbers, areas = _numbers(run, benchmark, estimator), _areas(run, benchmark, estimator)
    usual, verifiers = areas[areas["ratio"] == 0.4], len(numbers["pauc_best"])
    better = sum(high < 0 for _, _, high in numbers["difference_to_random"].values())
    yield f"At its best ratio, PreFIQs is better than random order with {better} of {verifiers} verifiers."
    worse, clearly = (usual["from_norm"] > 0).sum(), (usual["from_norm_low"] > 0).sum()
    exclude = "interval excludes" if clearly == 1 else "intervals exclude"
    yield f"At ρ = 0.4, the norm has a smaller area with {worse}; {clearly} {exclude} 0."
    chosen = numbers["difference_to_norm"].values()
    worse, undecided = sum(low > 0 for _, low, _ in chosen), sum(low <= 0 <= high for _, low, high in chosen)
    yield f"At the best ratio, the norm is better with {worse}, and the comparison is undecided with {undecided}."
    if numbers["unreliable"]:
        yield f"Areas are not reliable with {', '.join(numbers['unreliable'])}."


def how_to_prune(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """Which ratio is best, at which PreFIQs is useless, and at which the way to prune matters."""
    numbers, areas = _numbers(run, benchmark, estimator), _areas(run, benchmark, estimator)
    same_model = areas[areas["verifier"] == estimator].set_index("ratio")["pauc"]
    yield (
        f"The mean area over the verifiers is smallest at ρ = {areas.groupby('ratio')['pauc'].mean().idxmin():g}; the "
        f"same-model area, by which the claims choose the best ratio, at ρ = {same_model.idxmin():g}."
    )
    useless = areas["pauc"] >= areas["verifier"].map(numbers["pauc_random_min"])
    lost = useless.groupby(areas["ratio"]).all()
    if lost.any():
        ratios = ", ".join(map("{:g}".format, lost.index[lost]))
        yield f"At ρ = {ratios}, PreFIQs is no better than the best random order, whatever the verifier."
    for title, key in (("Unstructured beats structured", "to_structured"), ("L1 beats random", "to_random_pruning")):
        ratios = [ratio for ratio, (_, _, high) in numbers[key].items() if ratio != "mean" and high < 0]
        if numbers[key]:  # otherwise not run
            yield f"{title} at {'ρ = ' * bool(ratios)}{', '.join(ratios) or 'no ratio'}."


def derivative(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """What the claim about the Jacobian drift came to."""
    judged = pd.read_csv(ROOT / "reports" / run / "claims.csv").query("claim == 'jacobian' and estimator == @estimator")
    judged = judged[judged["benchmark"].isin([benchmark, params(run).faces_of(benchmark)])]
    for row in judged.itertuples():
        data = f"On the official pairs, `{row.benchmark}`: " * (row.benchmark != benchmark)
        verdict = f"{row.verdict}. " * (row.verdict != MISSING)
        yield f"{data}{row.text}: {verdict}{row.evidence}."


def other_methods(run: str, benchmark: str, estimator: str) -> Iterator[str]:
    """How all methods, and PreFIQs at ρ = 0.4, compare with the norm."""
    areas = pd.read_csv(ROOT / "reports" / run / "edc" / benchmark / estimator / "areas.csv")
    areas = areas.query("fmr == 0.001 and threshold == 'recomputed' and ratio != 0.2")
    norm = areas[areas["method"] == "norm"].set_index("verifier")["pauc"]
    others = areas[areas["method"] != "norm"]
    others = others.assign(label=marked(others), relative=others["pauc"] / others["verifier"].map(norm))
    others = others.assign(
        below=others["from_norm_high"] < 0, above=others["from_norm_low"] > 0, few=~others["reliable"]
    )
    means = {"relative": "mean", "below": "sum", "above": "sum", "few": "any"}
    table = others.groupby("label").agg(means).sort_values("relative").rename_axis("method").reset_index()
    yield (
        f"The area relative to that of the norm, mean over the verifiers, and how many of {len(norm)} intervals of the "
        f"difference lie below and above 0:\n\n{Table(table, '', coarse={'relative': 'few'}).markdown().strip()}"
    )


def valleys() -> str:
    """Where the area of PreFIQs is small, a row a set of pairs and estimator: the mean over the verifiers, by ratio."""
    rows = []
    for data in MARGINS:
        areas = prefiqs(areas_of("edc", data))
        for estimator, part in areas.groupby("estimator", sort=False):
            by_ratio = part.groupby("ratio")["pauc"].mean()
            near = by_ratio.index[by_ratio <= (1 + STABLE_AREA) * by_ratio.min()]
            lost = by_ratio.index[by_ratio >= part.groupby("verifier")["random"].first().mean()]
            ratios = [", ".join(map("{:g}".format, found)) or "–" for found in ([by_ratio.idxmin()], near, lost)]
            rows.append((data, estimator, *ratios, bool(part["reliable"].all())))
    near = f"at most {100 * STABLE_AREA:g} % above it at"
    columns = ["data", "estimator", "smallest area at ρ =", near, "no better than mean random order at", "reliable"]
    return _shown(pd.DataFrame(rows, columns=columns))


def study() -> str:
    """What the ablations say, and their figure."""
    where = "study/ablation/orl-xq/sface/ablation"
    found = pd.read_csv(ROOT / "reports" / f"{where}.csv").query("ratio == 0.4")
    names = found["question"] + ": " + found["variant"]
    sides = names[found["difference_low"] > 0], names[found["difference_high"] < 0]
    worse, better = ("; ".join(side) or "none" for side in sides)
    return (
        "**What do layers, ranking, distance and seeds change?** On `orl-xq` with `sface` at ρ = 0.4, the interval of "
        f"the difference from the published choice excludes 0 with these variants. Larger area: {worse}. Smaller area: "
        f"{better}.\n\n![pAUC of the ablations]({where}.png)"
    )


def precision() -> str:
    """What bfloat16 does to the scores and the area."""
    where = "study/precision/orl-xq/sface/precision"
    table = pd.read_csv(ROOT / "reports" / f"{where}.csv")
    exact, rounded = (table[table["precision"] == kind].set_index("ratio") for kind in ("fp32", "bf16"))
    alike = rounded["spearman with fp32"]
    shown = pd.DataFrame(
        {
            "ρ": rounded.index,
            "median drift": exact["median drift"],
            "median change with bf16": rounded["median change of drift"],
            "Spearman with float32": alike,
            "pAUC·10³ float32": exact["pauc"],
            "pAUC·10³ bf16": rounded["pauc"],
        }
    )
    digits = dict.fromkeys(shown.columns[1:4], 4) | dict.fromkeys(shown.columns[4:], 2)
    worst = alike.idxmin()
    return (
        f"{Table(shown, '', digits=digits).markdown().strip()}\n\nRounding distorts the ranking most at ρ = {worst:g} "
        f"(Spearman {alike[worst]:.2f}). From ρ = {alike.index[alike >= 0.99].min():g} on, Spearman is at least "
        f"{alike[alike >= 0.99].min():.2f} ([table](../reports/{where}.md))."
    )


def _numbers(run: str, benchmark: str, estimator: str) -> dict[str, Any]:
    found = json.loads((ROOT / "reports" / run / "numbers.json").read_text("utf-8"))
    return found[f"edc-{benchmark}-{estimator}"]


def _areas(run: str, benchmark: str, estimator: str) -> pd.DataFrame:
    areas = pd.read_csv(ROOT / "reports" / run / "edc" / benchmark / estimator / "areas.csv")
    return prefiqs(areas.assign(estimator=estimator))


def prefiqs(areas: pd.DataFrame) -> pd.DataFrame:
    """The areas of unstructured L1 pruning of the estimator."""
    ours = "method == 'prefiqs' and network == estimator and granularity == 'unstructured' and criterion == 'l1'"
    return areas.query(f"{ours} and fmr == 0.001 and threshold == 'recomputed'")


def _shown(frame: pd.DataFrame) -> str:
    return Table(frame, "").markdown().strip()


QUESTIONS = (  # question, answer, and stage and name of its figure
    ("Is PreFIQs better than random order, and than the norm?", against_baselines, "edc", "intervals"),
    ("How should one prune?", how_to_prune, "edc", "pauc"),
    ("Is drift a derivative?", derivative, "jacobian", "scatter"),
)
OF_METHODS = ("Are other methods better than the norm?", other_methods, "edc", "intervals")


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
    """The rows of all areas of the pruning margin, with data and estimator.

    trained_on: whether the data chose it. relative: over the norm's area.
    """
    parts = []
    for data in MARGINS:
        areas = areas_of("edc", data).query("fmr == 0.001 and threshold == 'recomputed'")
        same = ["estimator", "verifier"]
        norm = areas[areas["method"] == "norm"].set_index(same)["pauc"].rename("norm")
        own = areas[areas["method"] == "pruning-margin"].join(norm, on=same)
        parts.append(own.assign(data=data, relative=own["pauc"] / own["norm"]))
    return pd.concat(parts, ignore_index=True)


def margin() -> str:
    """The pruning margin against the norm, a row a data set and estimator."""
    rows = []
    for (data, estimator), part in margins().groupby(["data", "estimator"], sort=False):
        same, sure = part["verifier"] == estimator, part["reliable"]
        ratios = (part.loc[which, "relative"].mean() for which in (same, ~same))
        below, above = (brief(side, sure) for side in (part["from_norm_high"] < 0, part["from_norm_low"] > 0))
        rows.append((data, bool(part["trained_on"].iloc[0]), estimator, *ratios, below, above, not sure.all()))
    columns = ["data", "chose it", "estimator", "same-model", "cross-model", "intervals below 0", "above 0", "few"]
    ratios = columns[3:5]
    table = Table(
        pd.DataFrame(rows, columns=columns), "", digits=dict.fromkeys(ratios, 3), coarse=dict.fromkeys(ratios, "few")
    )
    return table.markdown().strip()


def candidates() -> str:
    """The best training-free score of each price, chosen on some data and judged on others."""
    found = relative_areas().dropna(subset="passes")  # methods on other networks have no price
    chosen = found[found["choosing"]].groupby(["group", "key"], sort=False)["relative"].mean()
    winners = chosen.groupby("group", sort=False).idxmin().str[1]
    shown = dict.fromkeys([NORM, *winners, MARGIN, "PreFIQs, ρ = 0.2", "PreFIQs, ρ = 0.4"])
    rows = [candidate(found[found["key"] == key], "**{}**" if key in winners.values else "{}") for key in shown]
    counts = [f"{word} than {rival}" for rival in ("the norm", "PreFIQs") for word in ("better", "worse")]
    head = ["score", "passes, counted", "measured", "LFW, CFP-FP", *CONFIRMING, *counts]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    best = "; ".join(f"{group}: {key}" for group, key in winners.items())
    pairs = " and ".join(f"`{params('wild').most_pairs_of(name)}`" for name in ("lfw", "cfp-fp"))
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    text = f"LFW and CFP-FP stand for the pair sets {pairs}. Best on both with {' and '.join(CHOOSING)}: {best}."
    return f"{text}\n\n{table}"


def candidate(rows: pd.DataFrame, mark: str) -> list[str]:
    """The cells of a score; in the last four, how many intervals exclude 0 on data that did not choose it."""
    parts = [rows[rows["choosing"]], *(rows[rows["confirming"] == name] for name in CONFIRMING)]
    numbers = [
        ratio_text(part["relative"].mean(), part["reliable"].all()) + f" {TRAINED_ON}" * bool(part["trained_on"].any())
        if len(part) else "–"
        for part in parts
    ]  # fmt: skip
    others, counts = rows[rows["confirming"].isin(OTHERS)], []
    for rival in ("from the norm", "from PreFIQs"):
        sides = others[f"{rival}_high"] < 0, others[f"{rival}_low"] > 0
        known = others[rival].notna().any()
        counts += [brief(side, others["reliable"]) if known else "–" for side in sides]
    key, group = rows[["key", "group"]].iloc[0]
    costs = ROOT / "reports" / "default" / "cost"
    found = pd.read_csv(costs / "costs.csv").query("method == 'norm'")
    if key != NORM:
        found = pd.read_csv(costs / "kinds.csv").query("`kind of score` == @group")
    measured = "{:.2f} [{:.2f}, {:.2f}]".format(*found.filter(like="plain passes").iloc[0])
    passes = rows.loc[rows["estimator"] == "sface", "passes"].iloc[0]  # which was timed
    return [mark.format(key), f"{passes:.2f}", measured, *numbers, *counts]


def rivals() -> str:
    """The scores that beat the pruning margin somewhere, and all compared methods: on how many areas, and where."""
    found = relative_areas()
    found = found[found["from pruning-margin"].notna()]
    found["where"] = found["data"] + " with " + found["estimator"]
    found["label"] = found["key"]
    found["label"] = marked(found)
    rows = []
    for key, part in found.groupby("label", sort=False):
        below, above = part["from pruning-margin_high"] < 0, part["from pruning-margin_low"] > 0
        if below.any() or part["passes"].isna().all():
            counts = [brief(side, part["reliable"]) for side in (below, above)]
            rows.append((key, *counts, "; ".join(part.loc[below, "where"].unique()) or "–"))
    return _shown(pd.DataFrame(rows, columns=["score", "better than `pruning-margin`", "worse", "better on"]))


def relative_areas() -> pd.DataFrame:
    """The areas of all candidates over that of the norm, with the data and estimators that choose or confirm."""
    parts = []
    for benchmark, data in CANDIDATES.items():
        for _, table in areas_of("candidates", benchmark).groupby("estimator"):
            parts.append(table.assign(data=data, relative=relative_to_norm(table)))
    found = pd.concat(parts, ignore_index=True)
    others = found["data"].isin(OTHERS)
    found["choosing"] = ~others & found["estimator"].isin(CHOOSING)
    found["confirming"] = found["data"].where(others, found["estimator"]).where(~found["choosing"])
    return found


def price() -> None:
    """Draw the areas of all candidates by their cost, on three data sets and with the estimators that chose some."""
    found = relative_areas().dropna(subset="passes").fillna({"method": ""})
    found = found[found["estimator"].isin(CHOOSING) & (found["data"] != "CFP-FF")]
    panels = ["data", "estimator"]
    points = found.groupby([*panels, "group", "method", "key"], sort=False)[["relative", "passes"]].mean().reset_index()
    points["front"] = on_front(points, "relative", panels)
    points = points[points["key"] != NORM]
    points["estimate"] = 100 * (points["relative"] - 1)
    points["order"] = points["estimate"].groupby(points["key"]).transform("mean")
    table = points.sort_values(["group", "order"], kind="stable").assign(low=float("nan"), high=float("nan"))
    table["verifier"] = table["data"] + "\nquality from " + table["estimator"]
    marks = found[found["trained_on"]].groupby("key")["data"].agg(lambda data: ", ".join(data.unique()))
    table["label"] = table["key"] + (f" {TRAINED_ON} " + table["key"].map(marks)).fillna("")
    title = "pAUC of training-free scores, by what they cost in forward passes, counted in multiply-adds"
    about = "difference of the pAUC from that of the norm (%), mean over verifiers; left of 0: better than the norm"
    figure = forest(table, title, f"{about}\n{FRONT}")
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
    page = ROOT / "reports" / "README.md"
    fill(
        page,
        results=claims(),
        comparable=comparability(),
        questions=run_by_run(),
        valleys=valleys(),
        margin=margin(),
        candidates=candidates(),
        rivals=rivals(),
        runs=what_was_run(),
    )
    if published("study"):
        fill(page, study=study())
        fill(ROOT / "docs" / "determinism.md", precision=precision())
    price()
