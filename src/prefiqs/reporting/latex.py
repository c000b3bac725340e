"""A table as LaTeX that needs the `booktabs` package alone."""

from itertools import pairwise
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
    rows = [" & ".join(cells) + r" \\" for cells in table.cells(LATEX).to_numpy().tolist()]
    titles, label = table.block_titles(), f"tab:{Path(path).name}"
    starts = [position for position, title in enumerate(titles) if title or position == 0]
    blocks = [(titles[start], [r"\midrule", *rows[start:end]]) for start, end in pairwise([*starts, len(rows)])]
    if table.blocks and len(rows) * (2 if table.intervals else 1) > PAGE:
        pages = [
            _environment(table, block, f"{table.caption}: {title}", f"{label}-{i}")
            for i, (title, block) in enumerate(blocks)
        ]
    else:
        body = []
        for title, block in blocks:
            if title:
                body += [r"\midrule", rf"\multicolumn{{{len(table.shown())}}}{{c}}{{{escape(title)}}} \\"]
            body += block
        pages = [_environment(table, body, table.caption, label)]
    write_text("\n".join(pages), f"{path}.tex")


def _environment(table: Table, body: list[str], caption: str, label: str) -> str:
    sides = "".join("r" if right else "l" for right in table.numeric())
    names = [escape(str(name)) for name in table.shown()]
    begin, end = rf"\begin{{tabular}}{{{sides}}}", r"\end{tabular}"
    if len(sides) > WIDE:  # in small type in the middle of the page, over both margins if need be
        begin = "\\footnotesize\\setlength{\\tabcolsep}{3pt}\n\\makebox[\\linewidth][c]{%\n" + begin
        end += "}"
        names = [
            rf"\shortstack[{side}]{{" + name.replace(" ", r"\\") + "}" if " " in name else name
            for name, side in zip(names, sides, strict=True)
        ]
    head = [r"% needs \usepackage{booktabs}", r"\begin{table}[ht]", r"\centering"]
    head += [rf"\caption{{{escape(caption)}}}", rf"\label{{{label}}}"]
    lines = [*head, begin, r"\toprule", " & ".join(names) + r" \\", *body, r"\bottomrule", end]
    if table.notes:
        lines += [r"\par\smallskip", rf"{{\footnotesize {escape(table.notes)}}}"]
    return "\n".join([*lines, r"\end{table}", ""])
