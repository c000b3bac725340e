"""What lies in the folder of reports: notebooks, figures, tables; and the Markdown of it as HTML."""

from __future__ import annotations

import re
from html import escape, unescape
from itertools import groupby
from pathlib import Path
from typing import Any

import mistune

from prefiqs.io.atomic import read_text
from prefiqs.pipeline.site.files import there

# What a figure shows, by the first part of its file's name.
SHOWS = {
    "ablation": "what a reviewer asks: pAUC of the ablations",
    "ablation-fmr": "pAUC of the ablations by false match rate",
    "accuracy": "verification accuracy by pruning ratio",
    "attention": "attention of the quality token on the lowest- and the highest-scored faces",
    "density": "density of drift and quality over severity",
    "edc": "error versus discard curves",
    "edc-grid": "error versus discard curves of all benchmarks",
    "exits": "pAUC over the cost of a transformer's exits",
    "gallery": "the lowest- and the highest-scored faces",
    "intervals": "pAUC of every method with 95 % intervals, by verifier",
    "jacobian": "Jacobian drift against discrete drift",
    "pauc": "pAUC by pruning ratio and strategy",
    "precision": "what reduced precision does to drift, ranking and area",
    "ranks": "rank correlation of the methods",
    "side-by-side": "what the methods say of the same faces",
}


def figures(reports: Path) -> list[dict[str, str]]:
    """Every figure: its path within the reports, its text, and its PDF."""
    paths = sorted([*(reports / "figures").glob("*.png"), *(reports / "paper").glob("*.png")])
    return [
        {
            "path": path.relative_to(reports).as_posix(),
            "pdf": path.with_suffix(".pdf").relative_to(reports).as_posix(),
            "text": figure_text(path.stem),
        }
        for path in paths
    ]


def figure_text(stem: str) -> str:
    """What a figure shows and of what, by the name of its file: the longest beginning that is known."""
    for kind in sorted(SHOWS, key=len, reverse=True):
        if stem.startswith(f"{kind}-"):
            return f"{SHOWS[kind]}, {stem.removeprefix(f'{kind}-')}"
    return stem.replace("-", " ")


def notebooks(reports: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Rendered notebooks by title, each with name and path of its pages."""
    pages = [(_title(path), path) for path in sorted((reports / "notebooks").glob("*.html"))]
    return [
        (title, [(path.stem, f"notebooks/{path.name}") for _, path in group])
        for title, group in groupby(pages, key=lambda page: page[0])
    ]


def _title(page: Path) -> str:
    found = re.search(r"<h1[^>]*>(.*?)<(?:a|/h1)", read_text(page), re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "", found[1])).strip() if found else page.stem


def tables(reports: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The tables set for reading (name, title, html, files), and the paths of those that are there as CSV alone."""
    read = []
    folders = [reports / "tables", reports / "paper"]
    for path in sorted((p for f in folders for p in f.glob("*.md")), key=lambda p: (p.parent.name, p.name)):
        files = [path.with_suffix(suffix) for suffix in (".csv", ".md", ".tex")]
        read.append(
            {
                "name": path.stem,
                "title": read_text(path).splitlines()[0],
                "html": markdown(read_text(path)),
                "files": [(f.suffix[1:], f.relative_to(reports).as_posix()) for f in files if f.exists()],
            }
        )
    bare = [p for f in folders for p in sorted(f.glob("*.csv")) if not p.with_suffix(".md").exists()]
    return read, [p.relative_to(reports).as_posix() for p in bare]


def report_html(reports: Path) -> str:
    """The report of the last notebook as HTML, its links to tables leading to the page of tables."""
    return markdown(read_text(there(reports / "README.md")))


class _Renderer(mistune.HTMLRenderer):
    """Wide tables scroll in a box of their own, images say what they show, links to tables stay on the site."""

    def image(self, text: str, url: str, title: str | None = None) -> str:
        alt = escape(figure_text(Path(url).stem))
        return f'<a href="{escape(url)}"><img src="{escape(url)}" alt="{alt}" loading="lazy"></a>'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        if re.fullmatch(r"(tables|paper)/[^/]+\.md", url):
            url = f"tables.html#{Path(url).stem}"
        return super().link(text, url, title)

    def inline_html(self, html: str) -> str:
        return "<br>" if html == "<br>" else escape(html)  # the only tag in our tables


def _scrolling(_: mistune.HTMLRenderer, text: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="table"><table>{text}</table></div>\n'


def markdown(text: str) -> str:
    """Markdown of the pipeline as HTML; tags in it are shown, not obeyed."""
    convert = mistune.create_markdown(renderer=_Renderer(escape=True), plugins=["table"])
    convert.renderer.register("table", _scrolling)
    return convert(text)
