"""The report: the claims, all numbers in one file, and the page that shows the results of a run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import nbformat
import pandas as pd

from prefiqs.evaluation.tables import UNRELIABLE
from prefiqs.io.atomic import read_text, write_text
from prefiqs.pipeline.params import RESULTS, stage_items
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.studies.claims import judge, verdicts_table
from prefiqs.reporting.study import Study, Table, saved_as

PAGE = Path(__file__).with_suffix(".md.j2")


class Shown(NamedTuple):
    """A figure of the page: its stage and name, its text for those who cannot see it, its caption."""

    stage: str
    name: str
    text: str
    caption: str


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
          "Fig. 2: drift and quality of {model} against the label of the images of {benchmark}. Darker cells hold more "
          "faces."),
    Shown("agreement", "ranks", "Rank correlation of the methods",
          "Rank correlation of the methods on the faces of {benchmark}: 1 is the same order, −1 the reverse order."),
    Shown("agreement", "faces", "How the methods rank the same faces",
          "The share of all faces of {benchmark} (%) that a method scores lower than the face shown. Where a column "
          "has both red and blue cells, the methods disagree."),
    Shown("ablation", "ablation", "pAUC of the ablations",
          "pAUC·10³ of PreFIQs on {benchmark} with one choice changed at a time, quality and verification by {model}."),
    Shown("precision", "precision", "pAUC in reduced precision",
          "pAUC·10³ of PreFIQs on {benchmark} by pruning ratio, with {model} in float32 and in reduced precision."),
    Shown("candidates", "price", "pAUC of training-free scores by their cost",
          "pAUC·10³ of training-free scores minus that of the norm on {benchmark}, with 95 % intervals, quality "
          "estimated by {model}. Scores are grouped by the number of forward passes that they cost."),
    Shown("candidates", "exponents", "pAUC of the pruning margin by its exponent",
          "How much larger the pAUC of ‖e‖·κ^p is than that of the norm on {benchmark}, by the exponent p, quality "
          "estimated by {model}."),
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
    # Times differ from run to run.
    found_in = {folder: run.layout.results(folder) / "numbers.json" for folder in folders if folder != "cost"}
    numbers = {f.replace("/", "-"): json.loads(read_text(path)) for f, path in found_in.items() if path.is_file()}
    metrics = {}
    for benchmark, model in product(params.benchmarks.pair_lists, params.models.quality):
        found = numbers[f"edc-{benchmark}-{model}"]
        metrics[f"{benchmark}.{model}.pauc"] = found["pauc_best"][model]
        metrics[f"{benchmark}.{model}.pauc_norm"] = found["pauc_norm"][model]
    claims = judge(run, numbers)
    page = jinja2.Template(
        read_text(PAGE), trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    text = page.render(
        params=params,
        numbers=numbers,
        verdicts=verdicts_table(claims).markdown().strip() if len(claims) else "",
        notebooks=_notebooks(run, folders),
        verifiers_table=_verifiers_table,
        transformer_table=_transformer_table,
        figures=FIGURES,
        transformer_figures=TRANSFORMER_FIGURES,
        has=lambda path: path.rpartition("/")[0] in folders and run.layout.results(path).is_file(),
        links=lambda stages, *item, suffix="md": ", ".join(_links(run, folders, stages, item, suffix)),
    )
    return Report(Table(claims, "Claims judged on our data", hidden=("claim",)), text, metrics, numbers=numbers)


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


def _links(run: Run, folders: Sequence[str], stages: Iterable[str], item: Iterable[str], suffix: str) -> Iterator[str]:
    """Links to the tables of an item of this run, by paths in the published folder."""
    for folder in filter(folders.__contains__, ("/".join([stage, *item]) for stage in stages)):
        for path in sorted(run.layout.results(folder).glob(f"*.{suffix}")):
            yield f"[{path.stem}]({folder}/{path.name})"


def _notebooks(run: Run, folders: Iterable[str]) -> dict[str, list[str]]:
    """Links to the executed copies of each notebook, by its title."""
    links: dict[tuple[str, str], list[str]] = {}
    for folder in folders if run.params.report.notebooks else ():
        for path in sorted(run.layout.results(folder).glob("*.ipynb")):
            title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")
            item = ", ".join(folder.split("/")[1:]) or "open"
            links.setdefault((path.stem, title), []).append(f"[{item}]({folder}/{path.name})")
    return {title: links[stem, title] for stem, title in sorted(links)}
