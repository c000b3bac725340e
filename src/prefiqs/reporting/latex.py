"""A table as LaTeX that needs the `booktabs` package alone."""

from collections.abc import Iterable
from pathlib import Path

from prefiqs.io.atomic import write_text
from prefiqs.reporting.tables import CellStyle, Table

# What pdflatex does not set as it stands; any other character beyond Latin letters needs lualatex.
_ESCAPES = str.maketrans(
    {
        **{char: f"\\{char}" for char in "%&_#${}"},
        **{char: f"${char}$" for char in "<>|"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"−": "$-$", "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$", "³": "$^3$", "≤": r"$\le$", "≥": r"$\ge$"},
        **{"ρ": r"$\rho$", "✓": r"$\surd$", "✗": r"$\times$", "†": r"$^\dagger$", "‡": r"$^\ddagger$"},
        **{"–": "--", "…": r"\ldots{}", "’": "'"},
    }
)


def escape(text: str) -> str:
    """Plain text as LaTeX source."""
    return text.translate(_ESCAPES)


# The interval stands below its value, in small type: beside it, eight benchmarks would not fit on a page.
LATEX = CellStyle(
    escape,
    r"\textbf{{{}}}",
    r"\underline{{{}}}",
    r"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{}\\[-3pt]{{\tiny [{},\,{}]}}\end{{tabular}}",
)


PAGE, WIDE = 50, 7  # lines of a table that fit on a page; columns beyond which a table is set in smaller type


def write_latex(table: Table, path: str | Path) -> None:
    """Write PATH.tex: caption above, notes below, label tab:NAME; blocks too long for a page become separate tables."""
    cells, titles = table.cells(LATEX), table.block_titles()
    starts = [position for position, title in enumerate(titles) if title]
    label, ends = f"tab:{Path(path).name}", [*starts[1:], len(cells)]
    if len(cells) * (2 if table.intervals else 1) <= PAGE or not starts:
        pages = [_environment(table, cells.to_numpy().tolist(), titles, table.caption, label)]
    else:
        pages = [
            _environment(table, rows, [""] * len(rows), f"{table.caption}: {titles[start]}", f"{label}-{number}")
            for number, (start, end) in enumerate(zip(starts, ends, strict=True))
            if (rows := cells.iloc[start:end].to_numpy().tolist())
        ]
    write_text("\n".join(pages), f"{path}.tex")


def _environment(table: Table, rows: list[list[str]], titles: list[str], caption: str, label: str) -> str:
    alignment = "".join("r" if right else "l" for right in table.numeric())
    small = len(alignment) > WIDE
    names = [escape(str(name)) for name in table.shown()]
    if small:
        names = [_stacked(name, side) for name, side in zip(names, alignment, strict=True)]
    body = [_row(names)]
    for position, (title, row) in enumerate(zip(titles, rows, strict=True)):
        body += ["\\midrule"] if title or position == 0 else []
        body += [rf"\multicolumn{{{len(alignment)}}}{{c}}{{{escape(title)}}} \\", "\\midrule"] if title else []
        body.append(_row(row))
    lines = [rf"\begin{{tabular}}{{{alignment}}}", "\\toprule", *body, "\\bottomrule", "\\end{tabular}"]
    if small:  # in the middle of the page, over both margins if need be
        lines = [
            "\\footnotesize\\setlength{\\tabcolsep}{3pt}",
            "\\makebox[\\linewidth][c]{%",
            *lines[:-1],
            lines[-1] + "}",
        ]
    if table.notes:
        lines += ["\\par\\smallskip", rf"{{\footnotesize {escape(table.notes)}}}"]
    head = ["% needs \\usepackage{booktabs}", "\\begin{table}[ht]", "\\centering"]
    return "\n".join([*head, rf"\caption{{{escape(caption)}}}", rf"\label{{{label}}}", *lines, "\\end{table}", ""])


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _stacked(name: str, side: str) -> str:
    words = name.replace(" ", r"\\")
    return rf"\shortstack[{side}]{{{words}}}" if " " in name else name
