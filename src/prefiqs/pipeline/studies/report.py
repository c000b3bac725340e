"""The report: the claims, all numbers in one file, and the page that shows the results of a run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

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
    table = Table(frame, caption, best, 2, _doubt(found), hidden=["random"], within=within, coarse=coarse)
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
