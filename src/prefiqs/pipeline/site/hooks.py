"""Hooks of MkDocs: the site has the layout of the repository, so that every link works in both.

Pages are the Markdown files and the notebooks. Each published run adds a page of results, a list of its tables and,
where its faces and scores are on this machine, galleries.
"""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

from prefiqs.evaluation.tables import UNRELIABLE, area_text
from prefiqs.io.tables import read_table
from prefiqs.pipeline.run import Run, open_run
from prefiqs.pipeline.site.gallery import gallery_of
from prefiqs.pipeline.site.results import results_of, shown_first
from prefiqs.reporting.html.pages import render

FILES = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "params.yaml", "presets/*.yaml",
    "docs/**/*.md", "docs/assets/*", "data/README.md", "data/checkpoints/README.md", "data/external/README.md",
    "data/methods/README.md", "data/paper/README.md", "data/sources/*/README.md",
    "notebooks/*.ipynb", "reports/**/*", "training/README.md", "training/weights/*.md", "training/reports/*",
)  # fmt: skip
COMMANDS = "<!-- the help of every command -->"
MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)

_log = logging.getLogger("mkdocs.prefiqs")


class Notebook(File):
    """A notebook, which is a page although its name does not end in .md."""

    def is_documentation_page(self) -> bool:
        """Whether MkDocs makes a page of it."""
        return True


class Written(File):
    """A page whose heading is Markdown and whose body is HTML."""

    body = ""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take the files of the repository instead of those of the folder of documents, and add the pages of the runs."""
    root = Path(config.config_file_path).parent
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted({path for pattern in FILES for path in root.glob(pattern) if path.is_file()}):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".ipynb":
            # Its pictures bear its name, for a folder may have several notebooks.
            text, resources = MarkdownExporter().from_filename(str(path), {"unique_key": path.stem})
            files.append(Notebook.generated(config, name, content=text))
            for picture, content in resources["outputs"].items():
                files.append(File.generated(config, f"{Path(name).parent.as_posix()}/{picture}", content=content))
        else:
            files.append(File.generated(config, name, abs_src_path=str(path)))
    results: list[Any] = next(part["Results"] for part in config.nav or [] if "Results" in part)
    for manifest in sorted(root.glob("reports/*/manifest.json")):
        run, added = manifest.parent.name, list(_pages(root, manifest.parent.name, config))
        pages = [file.src_uri for file in added if isinstance(file, Written)]
        results.append({f"Run {run}": [{"Report": f"reports/{run}/README.md"}, *pages]})
        for file in added:
            if not files.get_file_from_path(file.src_uri):  # benchmarks share faces
                files.append(file)
    return files


def _pages(root: Path, name: str, config: MkDocsConfig) -> Iterator[File]:
    """The results and tables of a published run, and a gallery of each benchmark that its workspace holds."""
    folder, areas = f"reports/{name}", results_of(root / "reports" / name)
    chosen = shown_first(areas, read_table(root / folder / "claims.csv"))
    rows = areas.sort_values("pauc", kind="stable").to_dict("records")
    yield _written(
        config, f"{folder}/results.md", "Areas of every method", "results",
        run=name, rows=rows, chosen=chosen, printed=area_text, unreliable=UNRELIABLE,
    )  # fmt: skip
    yield Written.generated(config, f"{folder}/tables.md", content=f"# All tables\n\n{_tables(root / folder)}\n")
    run = _workspace(root, name)
    if run is None:
        _log.info("No gallery of the run %s: its faces and scores are not on this machine.", name)
        return
    for benchmark in run.params.benchmarks.all:
        gallery = gallery_of(run, benchmark)
        page = f"{folder}/gallery-{benchmark}"
        yield _written(config, f"{page}.md", f"Gallery of {benchmark}", "gallery", gallery=gallery)
        yield File.generated(config, f"{page}.js", content=gallery.data)
        for key, picture in gallery.pictures.items():
            yield File.generated(config, f"reports/faces/{key}.jpg", content=picture)


def _tables(folder: Path) -> str:
    """A list of the tables of a published run by stage and item; each leads to its page, or to the CSV without one."""
    items: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.csv")):
        page = path.with_suffix(".md")
        link = (page if page.is_file() else path).relative_to(folder)
        items.setdefault(" · ".join(link.parts[:-1]) or "whole run", []).append(f"[{path.stem}]({link.as_posix()})")
    return "\n".join(f"* {item}: {', '.join(links)}" for item, links in items.items())


def _written(config: MkDocsConfig, name: str, title: str, template: str, **values: Any) -> Written:
    page = Written.generated(config, name, content=f"# {title}\n")
    assert isinstance(page, Written)  # what MkDocs does not declare
    page.body = render(template, "prefiqs.pipeline.site", **values)
    return page


def _workspace(root: Path, name: str) -> Run | None:
    """The run of this name where its benchmarks are: the default one, or one of `prefiqs run`."""
    for folder in (root, root / "data" / "runs" / name):
        if (folder / "params.yaml").is_file() and (folder / "data" / "benchmarks").is_dir():
            run = open_run(folder)
            if run.params.run == name:
                return run
    return None


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give tables a heading and their files, pictures of notebooks a text, and the command line its help texts."""
    source = page.file.src_uri
    unlisted = source.startswith("reports/") and page.parent is None  # not in the navigation
    executed = files.get_file_from_path(source.replace("notebooks/", "reports/tutorials/"))
    if unlisted or isinstance(page.file, Written):
        page.meta["hide"] = ["toc"]
    page.meta["search"] = {"exclude": unlisted or executed not in (None, page.file)}
    if isinstance(page.file, Notebook):
        return markdown.replace("![png](", "![output of the cell above](")
    if source.startswith("reports/") and not markdown.startswith("# "):
        names = (source.removesuffix("md") + ending for ending in ("csv", "tex"))
        found = (f"[{Path(name).name}]({Path(name).name})" for name in names if files.get_file_from_path(name))
        text = re.sub("<(?!br>)", "&lt;", markdown)  # names of files and people are no tags
        return f"# {text}\n\n{' '.join(found)}\n"
    if COMMANDS in markdown:
        typer = [sys.executable, "-m", "typer", "prefiqs.cli", "utils", "docs", "--name", "prefiqs"]
        texts = subprocess.run(typer, capture_output=True, text=True, encoding="utf-8", check=True).stdout
        return markdown.replace(COMMANDS, re.sub("^#", "##", texts, flags=re.MULTILINE))
    return markdown


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Equations become MathML, which needs no script; pages that are not Markdown get their body."""
    body = page.file.body if isinstance(page.file, Written) else ""
    return MATH.sub(lambda found: convert(found[2], display="block" if found[1] == "div" else "inline"), html) + body
