"""Every relative link of a Markdown page or notebook of the repository leads to a file."""

import re
from pathlib import Path

import nbformat

from prefiqs.pipeline.site.hooks import FILES

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)")


def text_of(path: Path) -> str:
    """What is shown as Markdown, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        shown = [cell.source for cell in cells if cell.cell_type == "markdown"]
        shown += [
            out.data.get("text/markdown", "") for cell in cells for out in cell.get("outputs", []) if "data" in out
        ]
        text = "\n".join(shown)
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_every_relative_link_leads_to_a_file():
    pages = {path for pattern in FILES for path in ROOT.glob(pattern) if path.suffix in (".md", ".ipynb")}
    links = [(page, link) for page in sorted(pages) for link in LINK.findall(text_of(page))]
    assert len({page.suffix for page, _ in links}) == 2 and len(links) > 200
    lost = [f"{page.relative_to(ROOT)}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert not lost
