"""Markdown and executed notebooks as HTML that needs no network: equations become MathML."""

from collections.abc import Callable
from pathlib import Path

import mistune
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter

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
