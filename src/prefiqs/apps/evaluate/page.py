"""One page of results that stands alone: no script, no other file, no request to any host."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from prefiqs import __version__
from prefiqs.io.atomic import write_text
from prefiqs.reporting.figures.style import as_png
from prefiqs.reporting.html.pages import render, style

# A caption, and what stands below it.
Part = tuple[str, pd.DataFrame | Figure]

_DOTS = 110  # an inch: sharp at the width of the page


def write_page(title: str, facts: Mapping[str, str], parts: Sequence[Part], path: Path) -> None:
    """Write a title, what a reader must know, and tables and figures below their captions as one HTML file."""
    shown = [(caption, _shown(caption, part)) for caption, part in parts]
    write_text(render("standalone", title=title, facts=facts, parts=shown, style=style(), version=__version__), path)


def _shown(caption: str, part: pd.DataFrame | Figure) -> str:
    if isinstance(part, pd.DataFrame):
        table = part.to_html(index=False, border=0, na_rep="–", float_format="{:g}".format)
        return f'<div class="scroll" tabindex="0">{table}</div>'
    picture = b64encode(as_png(part, _DOTS)).decode()
    return f'<img alt="{escape(caption)}; the numbers are in the tables." src="data:image/png;base64,{picture}">'
