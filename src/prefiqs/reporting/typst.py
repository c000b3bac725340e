"""A table as Typst source, and a Typst document as PDF."""

from pathlib import Path

import typst

from prefiqs.errors import InputError
from prefiqs.reporting.tables import CellStyle, Table


def escape(text: str) -> str:
    """Plain text as Typst source, in which nothing is read as markup."""
    return '#"{}";'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


# The interval stands below its value, in small type: beside it, a wide table would not fit on a page.
TYPST = CellStyle(escape, "*{}*", "_{}_", "{} \\ #text(size: .75em)[\\[{}, {}\\]]")


WIDE = 9  # columns beyond which a table is set in smaller type


def typst_table(table: Table, widths: str = "") -> str:
    """A table as a figure with its caption and notes; widths: of the columns, in Typst, such as `auto, 2fr`."""
    width, rows = len(table.shown()), []
    for title, cells in zip(table.block_titles(), table.cells(TYPST).to_numpy().tolist(), strict=True):
        if title:
            rows.append(f"table.hline(stroke: .4pt), table.cell(colspan: {width})[{escape(title)}],")
        rows.append(" ".join(f"[{cell}]," for cell in cells))
    sides = ", ".join("right" if right else "left" for right in table.numeric())
    names = " ".join(f"[{escape(str(name))}]," for name in table.shown())
    notes = f"#notes[{escape(table.notes)}]" if table.notes else ""
    body, size = "\n    ".join(rows), "#show table: set text(size: 6pt)\n" if width > WIDE else ""
    return f"""#figure(
  kind: table, caption: [{escape(table.caption)}], [{size}#table(
    columns: ({widths or "auto, " * width}), align: ({sides},),
    table.hline(), table.header({names}), table.hline(stroke: .6pt),
    {body}
    table.hline(),
  ) {notes}])
"""


def write_pdf(source: str, path: Path) -> None:
    """Typeset a document whose pictures lie in the folder of `path`; the same source gives the same bytes.

    Raises `InputError` with the message of Typst for source that it does not understand.
    """
    try:
        # Tags would be a third of a long paper; for screen readers, there are the same tables in Markdown.
        pdf = typst.compile(source.encode(), None, path.parent, ignore_system_fonts=True, timestamp=0, pdf_tags=False)  # type: ignore[type-var]
    except typst.TypstError as error:
        raise InputError(f"{path} cannot be typeset: {error}") from error
    path.write_bytes(pdf)
