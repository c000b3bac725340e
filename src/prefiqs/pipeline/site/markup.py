"""Markdown and executed notebooks as HTML that needs no network: equations become MathML."""

import re
from collections.abc import Callable
from pathlib import Path

import mistune
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

_EQUATION = re.compile(r"\$\$(.+?)\$\$|(?<![\\$\w])\$(?![\s$])([^$\n]+?)(?<![\s\\])\$(?!\w)", re.DOTALL)
_PLACE = "\ue000{}\ue001"  # private characters, which no text contains
_ONLY_TAG = "<br>"  # of the tables of the pipeline


class _Renderer(mistune.HTMLRenderer):
    """Wide tables scroll in a box of their own, images are loaded when seen, tags are shown as text."""

    def __init__(self, link: Callable[[str], str]):
        super().__init__(escape=True)
        self._link = link

    def image(self, text: str, url: str, title: str | None = None) -> str:
        source = mistune.escape(self._link(url))
        return f'<a href="{source}"><img src="{source}" alt="{mistune.escape(text)}" loading="lazy"></a>'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, self._link(url), title)

    def inline_html(self, html: str) -> str:
        return html if html == _ONLY_TAG else mistune.escape(html)


def markdown(text: str, link: Callable[[str], str] = str) -> str:
    """Markdown as HTML; `link` maps the address of a link or image to that on the site. Raw HTML is shown as text."""
    convert_text = mistune.create_markdown(renderer=_Renderer(link), plugins=["table"])
    convert_text.renderer.register("table", _scrolling)  # type: ignore[union-attr]  # it has the renderer given above
    equations: list[str] = []
    html = str(convert_text(_EQUATION.sub(lambda match: _kept(_mathml(match), equations), text)))
    for number, equation in enumerate(equations):
        html = html.replace(_PLACE.format(number), equation)
    return html


def notebook_html(path: Path, link: Callable[[str], str] = str) -> tuple[str, str]:
    """Title and body of an executed notebook as HTML."""
    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _EQUATION.sub(_mathml, cell.source)
            cell.source = re.sub(r"\]\(([^)]+)\)", lambda match: f"]({link(match[1])})", cell.source)
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output["data"] = {"text/html": markdown(output["data"]["text/markdown"], link)}
    exporter = HTMLExporter(template_name="basic", embed_images=True, exclude_input_prompt=True)
    exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(notebook)
    return title, body


def code_style() -> str:
    """Colours of highlighted code."""
    return HtmlFormatter(style="friendly").get_style_defs(".highlight")


def _mathml(match: re.Match[str]) -> str:
    return convert(match[1] or match[2], display="block" if match[1] else "inline")


def _kept(html: str, kept: list[str]) -> str:
    kept.append(html)
    return _PLACE.format(len(kept) - 1)


def _scrolling(_: mistune.HTMLRenderer, text: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="table"><table>{text}</table></div>\n'
