"""Build the web report: pages made from the published results of a run."""

import json
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import mistune
import nbformat
import pandas as pd
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from prefiqs.errors import InputError
from prefiqs.io.atomic import read_text, whole_folder, write_text
from prefiqs.io.tables import read_table
from prefiqs.pipeline.run import Run
from prefiqs.pipeline.site.gallery import write_gallery
from prefiqs.reporting.html.pages import STATIC, render

GENERATOR = '<meta name="generator" content="prefiqs site">'  # by which a folder is known to be a site


def build_site(run: Run, out: str | Path) -> Path:
    """Build the site from the published results of a run in a folder, and return its absolute path.

    The same results give the same bytes. A site that is there is replaced as a whole. Raises `InputError` if `out`
    exists and is no site, or if a result is missing.
    """
    out = Path(out).absolute()
    start = out / "index.html"
    if out.exists() and not (start.is_file() and GENERATOR in start.read_text(encoding="utf-8", errors="replace")):
        raise InputError(f"{out} exists and was not made by `prefiqs site`. Choose another folder.")
    with whole_folder(out) as new:
        _write_site(run, new)
    return out


def _write_site(run: Run, site: Path) -> None:
    reports = run.layout.report(run.params.run)
    readme, numbers = _existing(reports / "README.md"), json.loads(read_text(_existing(reports / "numbers.json")))
    become_pages = shutil.ignore_patterns("*.md", "*.ipynb")
    shutil.copytree(reports, site, ignore=become_pages, copy_function=shutil.copyfile, dirs_exist_ok=True)
    shutil.copytree(STATIC, site / "static", copy_function=shutil.copyfile)
    galleries = [write_gallery(run, name, site) for name in run.params.benchmarks.all]
    first = (run.params.report.claims or run.params.benchmarks.all)[0]
    shared = {"generator": GENERATOR, "params": run.params, "galleries": galleries, "first": first}

    def write(name: str, template: str, **values: Any) -> None:
        root = "../" * name.count("/")
        write_text(render(template, **shared, root=root, page=name, **values), site / name)

    notebooks, tables = [], []
    code_style = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    for path in sorted(reports.rglob("*.ipynb"), key=lambda path: (path.name, path)):
        name = path.relative_to(reports).with_suffix(".html")
        title, body = notebook_html(path, _page_of)
        write(name.as_posix(), "notebook", title=title, body=body, code_style=code_style)
        notebooks.append((title, " · ".join(name.parts[1:-1]) or "open", name.as_posix()))
    for path in sorted(reports.rglob("*.md")):
        if path != readme:
            name, text = path.relative_to(reports), read_text(path)
            title, page = text.splitlines()[0], name.with_suffix(".html").as_posix()
            files = [file.name for file in (path.with_suffix(".csv"), path.with_suffix(".tex")) if file.is_file()]
            write(page, "table", title=title, body=markdown(text), files=files)
            tables.append((name.with_suffix("").as_posix(), title, page))
    by_claim = read_table(_existing(reports / "claims.csv")).groupby("claim", sort=False)
    claims = [rows.to_dict("records") for _, rows in by_claim]
    judged = run.params.report.claims or run.params.benchmarks.paired
    items = product(judged, run.params.models.quality)
    found = [(benchmark, model, numbers[f"edc-{benchmark}-{model}"]) for benchmark, model in items]
    write("index.html", "index", claims=claims, found=found, notebooks=notebooks, tables=tables)
    write("results.html", "results", rows=_results(run).to_dict("records"), judged=judged[0])
    write("report.html", "report", body=markdown(read_text(readme), _page_of))
    for gallery in galleries:
        write(f"gallery-{gallery['benchmark']}.html", "gallery", gallery=gallery)


def _page_of(address: str) -> str:
    """Links to notebooks and Markdown tables lead to their pages."""
    base, hash_, part = address.partition("#")
    if "://" not in base and base.endswith((".ipynb", ".md")):
        base = base.rpartition(".")[0] + ".html"
    return base + hash_ + part


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"No published results: {path} not found. Run `dvc repro` first.")
    return path


def _results(run: Run) -> pd.DataFrame:
    """Areas, times 1000, of every method, verifier and benchmark.

    The random order is a method here: its area is the mean over the orders, low and high are the least and the largest.
    """
    parts = []
    for benchmark, model in product(run.params.benchmarks.pair_lists, run.params.models.quality):
        folder = run.layout.report(run.params.run) / "edc" / benchmark / model
        areas = read_table(_existing(folder / "areas.csv")).rename(columns={"pauc_low": "low", "pauc_high": "high"})
        areas["method"] = areas["label"] + areas["trained_on"].map({True: " §", False: ""})
        chance = read_table(_existing(folder / "random.csv"))
        chance = chance.rename(columns={"pauc_mean": "pauc", "pauc_min": "low", "pauc_max": "high"})
        undiscarded = areas.groupby(["verifier", "fmr"], as_index=False)["fnmr"].first()
        chance = chance.merge(undiscarded, on=["verifier", "fmr"])
        chance = chance.assign(method="random order", threshold=run.params.edc.threshold)
        parts += [part.assign(benchmark=benchmark, estimator=model) for part in (areas, chance)]
    return pd.concat(parts, ignore_index=True)


class _Renderer(mistune.HTMLRenderer):
    """Wide tables scroll in a box of their own, images load when they come into view, tags are shown as text."""

    def __init__(self, link: Callable[[str], str]):
        super().__init__(escape=True)
        self._link = link

    def image(self, text: str, url: str, title: str | None = None) -> str:
        source = mistune.escape(self._link(url))
        return f'<a href="{source}"><img src="{source}" alt="{mistune.escape(text)}" loading="lazy"></a>'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, self._link(url), title)

    def inline_html(self, html: str) -> str:
        return html if html == "<br>" else mistune.escape(html)  # tables of the pipeline contain it

    def inline_math(self, text: str) -> str:
        return convert(text)

    def block_math(self, text: str) -> str:
        return convert(text, display="block")

    def table(self, text: str) -> str:
        return f'<div class="scroll" tabindex="0" role="region" aria-label="table"><table>{text}</table></div>\n'


def markdown(text: str, link: Callable[[str], str] = str) -> str:
    """Markdown as HTML; `link` maps the address of a link or image to that on the site. Raw HTML is shown as text."""
    return str(mistune.create_markdown(renderer=_Renderer(link), plugins=["table", "math"])(text))


def notebook_html(path: Path, link: Callable[[str], str] = str) -> tuple[str, str]:
    """Title and body of an executed notebook as HTML."""
    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_filter("markdown2html", lambda text: markdown(text, link))
    body, _ = exporter.from_notebook_node(notebook)
    return title, body
