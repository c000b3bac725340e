"""A table as LaTeX that pdflatex sets with the `booktabs` package alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby

import pandas as pd

from prefiqs.errors import InputError

WIDE = 7  # columns beyond which a table is set smaller

# Letters up to U+017F and the marks of `inputenc` that need no entry are set by pdflatex as they stand.
_ESCAPES = str.maketrans(
    {
        **{char: f"\\{char}" for char in "%&_#${}"},
        **{char: f"${char}$" for char in "<>|"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"−": "$-$", "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$"},
        **{"≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$", "∈": r"$\in$", "∞": r"$\infty$", "√": r"$\surd$"},
        **{"→": r"$\to$", "‖": r"$\Vert$", "½": r"$\frac12$", "₂": "$_2$", "₁": "$_1$"},
        **{"✓": r"$\surd$", "✗": r"$\times$", "†": r"$^\dagger$", "‡": r"$^\ddagger$"},
        **{"–": "--", "—": "---", "…": r"\ldots{}", "’": "'", "‘": "`", "“": "``", "”": "''", "\u00a0": "~"},
        **{"α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$"},
        **{"θ": r"$\theta$", "λ": r"$\lambda$", "μ": r"$\mu$", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$"},
        **{"τ": r"$\tau$", "φ": r"$\varphi$", "Δ": r"$\Delta$", "Θ": r"$\Theta$", "Σ": r"$\Sigma$", "Ω": r"$\Omega$"},
    }
)


def escape(text: str) -> str:
    """Return plain text as LaTeX source. Raises InputError for a character that pdflatex would stop at."""
    escaped = text.translate(_ESCAPES)
    unknown = sorted({char for char in escaped if ord(char) > 0x17F})
    if unknown:
        raise InputError(
            f"text: expected characters with a known LaTeX form, got {' '.join(unknown)} in {text!r}; "
            "write it in other words or add the character to prefiqs.reporting.latex."
        )
    return escaped


def latex_table(
    cells: pd.DataFrame,
    numeric: list[bool],
    caption: str,
    label: str,
    notes: str = "",
    blocks: pd.Series | None = None,
    spans: Mapping[str, str] | None = None,
) -> str:
    """Return a `table` environment, caption above and notes below; more than seven columns are set smaller.

    cells: strings that are LaTeX already. numeric: one flag a column, True = set to the right.
    blocks: one title a row; a new one stands above its rows. spans: column -> what stands above it and its neighbours
        with the same words.
    Titles, column names, caption and notes are plain text and are escaped here.
    """
    alignment = "".join("r" if right else "l" for right in numeric)
    small = "\\footnotesize\\setlength{\\tabcolsep}{3pt}\n" if len(numeric) > WIDE else ""
    header = [_header(escape(str(name)), side, bool(small)) for name, side in zip(cells, alignment, strict=True)]
    body = [*_spanning(list(cells), spans or {}), _row(header)]
    for position, row in enumerate(cells.to_numpy().tolist()):
        titled = blocks is not None and (position == 0 or blocks.iloc[position] != blocks.iloc[position - 1])
        body += ["\\midrule"] if titled or position == 0 else []
        if titled and blocks is not None:
            body += [f"\\multicolumn{{{len(numeric)}}}{{c}}{{{escape(blocks.iloc[position])}}} \\\\", "\\midrule"]
        body.append(_row(row))
    lines = [f"\\begin{{tabular}}{{{alignment}}}", "\\toprule", *body, "\\bottomrule", "\\end{tabular}"]
    if small:  # in the middle, over both margins where it must be
        lines = ["\\makebox[\\linewidth][c]{%", *lines[:-1], lines[-1] + "}"]
    below = f"\\par\\smallskip\n{{\\footnotesize {escape(notes)}}}\n" if notes else ""
    return (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}[ht]\n\\centering\n"
        f"\\caption{{{escape(caption)}}}\n\\label{{{label}}}\n{small}" + "\n".join(lines) + f"\n{below}"
        "\\end{table}\n"
    )


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _header(name: str, side: str, stacked: bool) -> str:
    if not stacked or " " not in name:
        return name
    words = name.replace(" ", r"\\")
    return rf"\shortstack[{side}]{{{words}}}"


def _spanning(columns: list[str], spans: Mapping[str, str]) -> list[str]:
    """Return the header above the header, with a rule under each of its titles; no line where there is no title."""
    titles, rules, first = [], [], 1
    for title, group in groupby(columns, key=spans.get):
        width = len(list(group))
        titles += [f"\\multicolumn{{{width}}}{{c}}{{{escape(title)}}}"] if title else [""] * width
        rules += [f"\\cmidrule(lr){{{first}-{first + width - 1}}}"] if title else []
        first += width
    return [_row(titles), "".join(rules)] if rules else []
