"""One page of results that stands alone: no script, no other file, no request to any host."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from prefiqs import __version__
from prefiqs.io.atomic import write_text
from prefiqs.reporting.figures.style import as_png

# A caption, and what stands below it.
Part = tuple[str, pd.DataFrame | Figure]

_DOTS = 110  # an inch: sharp at the width of the page
_STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; padding: 1rem }
body { max-width: 62rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
.wide { overflow-x: auto } img { max-width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th { border-bottom: 2px solid #888 } th:first-child, td:first-child { text-align: left }
dt { font-weight: 600 } dd { margin: 0 0 .4rem 1.2rem } footer { margin-top: 2rem; color: #555; font-size: .85rem }
"""


def write_page(title: str, facts: Mapping[str, str], parts: Sequence[Part], path: Path) -> None:
    """Write a title, what a reader must know, and tables and figures below their captions as one HTML file."""
    known = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    body = "".join(f"<h2>{escape(caption)}</h2>{_shown(caption, part)}" for caption, part in parts)
    write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1><dl>{known}</dl>{body}"
        f"<footer>Written by PreFIQs {__version__}.</footer></body></html>\n",
        path,
    )


def _shown(caption: str, part: pd.DataFrame | Figure) -> str:
    if isinstance(part, pd.DataFrame):
        table = part.to_html(index=False, border=0, na_rep="–", float_format="{:g}".format)
        return f'<div class="wide">{table}</div>'
    picture = b64encode(as_png(part, _DOTS)).decode()
    return f'<img alt="{escape(caption)}; the numbers are in the tables." src="data:image/png;base64,{picture}">'
