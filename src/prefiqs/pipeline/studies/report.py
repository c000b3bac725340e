"""The report: the claims, all numbers in one file, and the page that shows the results of a run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import nbformat
import pandas as pd

from prefiqs.evaluation.tables import UNRELIABLE, area_text
from prefiqs.io.atomic import read_text, write_text
from prefiqs.models.registry import card_of
from prefiqs.pipeline.identity import MethodId
from prefiqs.pipeline.params import RESULTS, stage_items
from prefiqs.pipeline.publish import NOT_PUBLISHED
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.claims import STABLE_AREA, judge, verdicts_table
from prefiqs.pipeline.studies.paper import collected
from prefiqs.reporting.study import Study, Table, saved_as

PAGE = Path(__file__).with_suffix(".md.j2")
BEST = "its best ρ"


class Shown(NamedTuple):
    """A figure of the page: its stage and name, its text for those who cannot see it, its caption."""

    stage: str
    name: str
    text: str
    caption: str

    def caption_of(self, benchmark: str, model: str, numbers: Mapping[str, Any]) -> str:
        """The caption of one item; numbers: of all stages, of which it may quote what is `drawn`."""
        drawn = "; ".join(numbers.get(f"{self.stage}-{benchmark}-{model}", {}).get("drawn", ()))
        return self.caption.format(benchmark=benchmark, model=model, drawn=drawn)


def pairs_shown(run: Run, figure: Shown, benchmark: str) -> str:
    """The pairs that a figure of a benchmark shows: the study of candidates takes the most pairs of its faces."""
    return run.params.most_pairs_of(benchmark) if figure.stage == "candidates" else benchmark


FIGURES = [
    Shown("edc", "intervals", "pAUC of every method minus that of the embedding norm, with 95 % intervals",
          "pAUC·10³ of each method minus that of the embedding norm on {benchmark}, quality estimated by {model}, one "
          "panel per verifier; left of 0 is better than the norm. Above each panel: the genuine pairs that the "
          "verifier rejects with nothing discarded, and the pAUC·10³ of the norm."),
    Shown("edc", "edc", "Error-versus-discard curves",
          "FNMR of the pairs of {benchmark} that are left when those of the lowest quality are discarded, quality "
          "estimated by {model}. A good score lies far below the grey band; shaded: the pAUC of PreFIQs."),
    Shown("edc", "pauc", "pAUC by pruning ratio and strategy",
          "pAUC·10³ on {benchmark} by pruning ratio and strategy, quality and verification by {model}, with 95 % "
          "intervals. A strategy inside the grey band says nothing about quality."),
    Shown("verification", "accuracy", "Verification accuracy by pruning ratio",
          "Accuracy of {model} on the pairs of {benchmark} after pruning, by ratio and strategy."),
    Shown("score", "gallery", "The faces with the lowest and the highest scores",
          "The faces of {benchmark} that PreFIQs with {model} scores lowest (above) and highest (below), each of "
          "another person."),
    Shown("jacobian", "scatter", "Jacobian drift against discrete drift",
          "Jacobian drift of {model} against its discrete drift on {benchmark}, one point per face; on the dashed line "
          "they are equal."),
    Shown("density", "density", "Drift and quality against the quality label",
          "Against the quality label of the faces of {benchmark}, with {model} (Fig. 2 of the paper): {drawn}. Darker "
          "cells hold more faces."),
    Shown("agreement", "ranks", "Rank correlation of the methods",
          "Rank correlation of the methods on the faces of {benchmark}: 1 is the same order, −1 the reverse order."),
    Shown("agreement", "faces", "How the methods rank the same faces",
          "The share of all faces of {benchmark} (%) that a method scores lower than the face shown. Where a column "
          "has both red and blue cells, the methods disagree."),
    Shown("ablation", "ablation", "pAUC of the ablations",
          "pAUC·10³ of PreFIQs on {benchmark} with one choice changed at a time, quality and verification by {model}. "
          "Layers: those of one stage are pruned; blocks are counted from 0, from the image on."),
    Shown("precision", "precision", "pAUC in reduced precision",
          "pAUC·10³ of PreFIQs on {benchmark} by pruning ratio, with {model} in float32 and in reduced precision."),
    Shown("candidates", "price", "pAUC of training-free scores by their cost",
          "pAUC·10³ of training-free scores minus that of the norm on {benchmark}, with 95 % intervals, quality "
          "estimated by {model}. Scores are grouped by the number of forward passes that they cost."),
    Shown("candidates", "exponents", "pAUC of the pruning margin by its exponent",
          "How much larger the pAUC of ‖e‖·κ^p is than that of the norm on {benchmark}, by the exponent p, quality "
          "estimated by {model}. With §, these data chose the exponent 2."),
]  # fmt: skip
TRANSFORMER_FIGURES = [
    Shown("transformer", "exits", "pAUC by the number of blocks that are run",
          "pAUC·10³ on {benchmark} of scores from the first blocks of {model}, one panel per verifier. EX-FIQA-F and "
          "EX-FIQA-FW combine all exits."),
    Shown("exits", "attention", "Attention of the quality token",
          "What the quality token of {model} attends to in faces of {benchmark}, next to the EX-FIQA-FW score."),
    Shown("exits", "received_attention", "Attention that each patch receives",
          "The attention that each patch receives, which ATTN-FIQA reads, next to its score."),
]  # fmt: skip


class Report(Study):
    """What a run found: all numbers by stage and item, such as `edc-orl-sface`, and the claims, see `claims.judge`.

    text: the page, Markdown; its links are relative to the published folder. metrics: a dozen numbers for `dvc metrics`
    and `dvc exp diff`.
    """

    claims: Table = saved_as("claims")
    text: str
    metrics: dict[str, float]

    def write(self, folder: str | Path) -> None:
        """Write README.md, metrics.json, and the `files`."""
        super().write(folder)
        write_text(self.text, Path(folder) / "README.md")
        write_text(json.dumps(self.metrics, indent=1) + "\n", Path(folder) / "metrics.json")


def report(run: Run) -> Report:
    """Collect what the stages of this run have found, and nothing that its parameters do not name."""
    params, items = run.params, stage_items(run.layout.root, run.params.model_dump())
    folders = [item.results.removeprefix(RESULTS) for item in items if item.results]
    found_in = {folder: run.layout.results(folder) / "numbers.json" for folder in folders}
    numbers = {f.replace("/", "-"): json.loads(read_text(path)) for f, path in found_in.items() if path.is_file()}
    metrics = {}
    for benchmark, model in product(params.benchmarks.pair_lists, params.models.quality):
        found = numbers[f"edc-{benchmark}-{model}"]
        metrics[f"{benchmark}.{model}.pauc"] = found["pauc_best"][model]
        metrics[f"{benchmark}.{model}.pauc_norm"] = found["pauc_norm"][model]
    claims, areas = judge(run, numbers), _areas(run)
    norm = _against_norm(run, numbers, areas)
    page = jinja2.Template(
        read_text(PAGE), trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    text = page.render(
        params=params,
        numbers=numbers,
        verdicts=verdicts_table(claims).markdown().strip() if len(claims) else "",
        notebooks=_notebooks(run, folders),
        against_norm=norm.groupby("PreFIQs at", sort=False).sum(numeric_only=True).to_dict("index"),
        norm_table=_norm_table(norm),
        ratios_table=_ratios_table(run, areas) if BEST in norm["PreFIQs at"].to_numpy() else "",
        accuracy_table=_accuracy_table(run, numbers),
        paper_tables=_paper_tables(run),
        at_chance=_at_chance(areas),
        verifiers_table=_verifiers_table,
        transformer_table=_transformer_table,
        figures=FIGURES,
        pairs_shown=partial(pairs_shown, run),
        transformer_figures=TRANSFORMER_FIGURES,
        has=lambda path: path.rpartition("/")[0] in folders and run.layout.results(path).is_file(),
        links=lambda stages, *item: ", ".join(_links(run, folders, stages, item)),
    )
    return Report(Table(claims, "Claims judged on our data", hidden=("claim",)), text, metrics, numbers=numbers)


def _areas(run: Run) -> pd.DataFrame:
    """The areas of all pairs and estimators at the first FMR, with the threshold that the intervals have."""
    edc, areas = run.params.edc, collected(run, "edc", "areas.csv", run.params.benchmarks.pair_lists)
    return areas[(areas["fmr"] == edc.fmr[0]) & (areas["threshold"] == edc.threshold)]


def _against_norm(run: Run, numbers: Mapping[str, Any], areas: pd.DataFrame) -> pd.DataFrame:
    """PreFIQs at the usual and, of several, at its best ratio against the norm: one row each, and pairs and verifier.

    Four columns count, 0 or 1: is the area larger than that of the norm, is the interval above 0, and the contrary.
    """
    usual, rows = run.params.usual, []
    for (benchmark, model), here in areas.groupby(["benchmark", "estimator"], sort=False):
        found = numbers[f"edc-{benchmark}-{model}"]
        own = here[here["key"] == MethodId.of_spec(str(model), usual).key].set_index("verifier")
        own = own[["from_norm", "from_norm_low", "from_norm_high"]]
        for verifier, at_best in found["difference_to_norm"].items():
            protocol = "same-model" if verifier == model else "cross-model"
            compared = {f"ρ = {usual.ratio:g}": own.loc[verifier], BEST: at_best}
            if len(found["excess"]) == 1:  # of the ratios
                del compared[BEST]
            for at, change in compared.items():
                estimate, low, high = change
                counts = (1, estimate > 0, low > 0, estimate < 0, high < 0)
                rows.append((at, protocol, verifier not in found["unreliable"], *map(int, counts)))
    counted = ["combinations", "worse than the norm", "interval above 0", "better than the norm", "interval below 0"]
    return pd.DataFrame(rows, columns=["PreFIQs at", "protocol", "reliable", *counted])


def _norm_table(norm: pd.DataFrame) -> str:
    by = ["PreFIQs at", "reliable", "protocol"]
    counts = norm.groupby(by).sum().sort_index(ascending=False)  # ρ as published, reliable and same-model first
    choice = " (those at the best ρ allow for its choice)" * (BEST in counts.index)
    caption = (
        "PreFIQs against the norm: how many areas are larger or smaller, and how many 95 % intervals of the difference "
        f"exclude 0{choice}. Reliable: combinations of which every area is."
    )
    return Table(counts.reset_index(), caption).markdown().strip()


def _ratios_table(run: Run, areas: pd.DataFrame) -> str:
    """Where the valley of pAUC over the ratio lies, by estimator, on the pairs of each benchmark that are most."""
    most, usual = map(run.params.most_pairs_of, run.params.benchmarks.paired), run.params.usual
    ours = (areas["method"] == "prefiqs") & (areas["network"] == areas["estimator"])
    ours &= (areas["granularity"] == usual.granularity) & (areas["criterion"] == usual.criterion)
    areas = areas[ours & areas["benchmark"].isin(most) & ~areas["constant"]]
    means = areas.pivot_table("pauc", ["estimator", "benchmark"], "ratio", sort=False).sort_index(axis=1)
    near = means.le((1 + STABLE_AREA) * means.min(axis=1), axis=0)
    cells = [
        ", ".join(f"**{ratio:g}**" if ratio == best else f"{ratio:g}" for ratio in near.columns[row])
        for best, row in zip(means.idxmin(axis=1), near.to_numpy(), strict=True)
    ]
    frame = pd.Series(cells, means.index).unstack("benchmark", sort=False).reset_index()
    few = areas.loc[~areas["reliable"], "benchmark"].unique()
    notes = f"Some of these areas are not reliable ({UNRELIABLE}): {', '.join(few)}." if len(few) else ""
    caption = (
        "Ratios ρ at which the pAUC of PreFIQs, mean over the verifiers, is smallest (bold), or at most "
        f"{STABLE_AREA:.0%} larger:"
    )
    return Table(frame, caption, notes=notes).markdown().strip()


def _accuracy_table(run: Run, numbers: Mapping[str, Any]) -> str:
    """The accuracies of the unpruned networks, beside those that other code computed; "" without any."""
    rows = []
    for benchmark, model in product(run.params.verification.benchmarks, run.params.models.quality):
        found, expected = numbers[f"verification-{benchmark}-{model}"], card_of(model).accuracy.get(benchmark)
        flipped = found["unpruned"] if found["flip_test"] else None
        rows.append((benchmark, model, found["pairs"], found["unpruned_without_flip_test"], flipped, expected))
    columns = ["benchmark", "network", "pairs", "accuracy (%)", "with flip test (%)", "expected (%)"]
    return Table(pd.DataFrame(rows, columns=columns), "", digits=2).markdown().strip() if rows else ""


def _at_chance(areas: pd.DataFrame) -> dict[tuple[str, str], str]:
    """By pairs and estimator: the methods that beat the best random order with no verifier, and their areas."""
    others = areas[areas["granularity"].isna() & (areas["method"] != "severity")]
    others = others.assign(chance=others["pauc"] >= others["random_low"])
    found = {}
    for of, here in others.groupby(["benchmark", "estimator"]):
        lost = here.groupby("label", sort=False).filter(lambda rows: rows["chance"].all())
        own = lost[lost["verifier"] == of[1]]
        found[of] = ", ".join(f"{row.label} ({area_text(row.pauc, row.reliable)})" for row in own.itertuples())
    return found


def _verifiers_table(found: Mapping[str, Any], benchmark: str, fmr: float) -> str:
    intervals = pd.DataFrame(found["pauc_best_interval"], index=["PreFIQs_low", "PreFIQs_high"]).T
    frame = pd.DataFrame({
        "FNMR (%)": 100 * pd.Series(found["fnmr_without_discard"]),
        "PreFIQs": pd.Series(found["pauc_best"]),
        **intervals,
        "embedding norm": pd.Series(found["pauc_norm"]),
        "random order": pd.Series(found["pauc_random_mean"]),
        "true severity": pd.Series(found.get("pauc_severity", {}), dtype=float),
        "few": pd.Series({verifier: verifier in found["unreliable"] for verifier in found["pauc_best"]}),
    })  # fmt: skip
    caption = (
        f"FNMR with nothing discarded, and pAUC at FMR {fmr:g} on {benchmark}. PreFIQs at its best ratio "
        f"({found['best_variant']}), with its 95 % interval by a bootstrap over {found['resampled']} "
        f"({found['resamples']} resamples; it allows for the choice of the ratio):"
    )
    coarse = dict.fromkeys(["PreFIQs", "embedding norm", "random order", "true severity"], "few")
    frame = frame.rename_axis("verifier").reset_index()
    return Table(frame, caption, {}, 2, _doubt(found), intervals=("PreFIQs",), coarse=coarse).markdown().strip()


def _transformer_table(found: Mapping[str, Any]) -> str:
    caption = (
        "pAUC of ViTNT-FIQA (all blocks), ATTN-FIQA (the last block), ViT-FIQA (the last exit) and EX-FIQA-FW, by "
        "verifier."
    )
    if found["seen"]:
        caption += " § The network was trained on images of this benchmark, or on images degraded like them."
    rows = [{"method": method, "random": False, **areas} for method, areas in found["pauc"].items()]
    rows.append({"method": "random order", "random": True, **found["pauc_random_mean"]})
    best = dict.fromkeys(found["pauc_random_mean"], "min")
    within = dict.fromkeys(best, ["random"])  # the random order does not compete
    coarse = {verifier: f"{verifier} few" for verifier in best}
    frame = pd.DataFrame(rows).assign(**{mark: verifier in found["unreliable"] for verifier, mark in coarse.items()})
    seen = {"method": found["seen"] & ~frame["random"]}
    table = Table(
        frame, caption, best, 2, _doubt(found), hidden=["random"], within=within, coarse=coarse, trained_on=seen
    )
    return table.markdown().strip()


def _doubt(found: Mapping[str, Any]) -> str:
    """Verifiers with which an area that is shown is not reliable, in a sentence."""
    named = ", ".join(found["unreliable"])
    return f"Not reliable ({UNRELIABLE}), so printed with two digits: {named}." if named else ""


def _links(run: Run, folders: Sequence[str], stages: Iterable[str], item: Iterable[str]) -> Iterator[str]:
    """Links to the published tables of an item of this run, to be read rather than parsed where there are both."""
    for folder in filter(folders.__contains__, ("/".join([stage, *item]) for stage in stages)):
        paths = sorted([*run.layout.results(folder).glob("*.csv"), *run.layout.results(folder).glob("*.md")])
        names = [path.name for path in paths if not any(fnmatch(path.name, pattern) for pattern in NOT_PUBLISHED)]
        for stem, name in {Path(name).stem: name for name in names}.items():  # .md comes after .csv
            yield f"[{folder.partition('/')[0]}: {stem}]({folder}/{name})"


def _paper_tables(run: Run) -> dict[str, list[str]]:
    """Links to the paper's tables as CSV, by number and named by the estimator."""
    links: dict[str, list[str]] = {}
    for path in sorted(run.layout.results("paper").glob("paper-table*.csv")):
        number, _, estimator = path.stem.removeprefix("paper-table").partition("-")
        links.setdefault(number, []).append(f"[{estimator or 'all methods'}](paper/{path.name})")
    return links


def _notebooks(run: Run, folders: Iterable[str]) -> dict[str, list[str]]:
    """Links to the executed copies of each notebook, by its title."""
    links: dict[tuple[str, str], list[str]] = {}
    for folder in folders if run.params.report.notebooks else ():
        for path in sorted(run.layout.results(folder).glob("*.ipynb")):
            title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")
            item = ", ".join(folder.split("/")[1:]) or "open"
            links.setdefault((path.stem, title), []).append(f"[{item}]({folder}/{path.name})")
    return {title: links[stem, title] for stem, title in sorted(links)}
