"""A table as LaTeX that pdflatex sets with the `booktabs` package alone."""

from __future__ import annotations

import pandas as pd

from prefiqs.core.errors import InputError

# Letters up to U+017F and the marks of `inputenc` that need no entry are set by pdflatex as they stand.
_ESCAPES = str.maketrans(
    {
        **{char: f"\\{char}" for char in "%&_#${}"},
        **{char: f"${char}$" for char in "<>|"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"−": "$-$", "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$"},
        **{"≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$", "∈": r"$\in$", "∞": r"$\infty$", "√": r"$\surd$"},
        **{"→": r"$\to$", "‖": r"$\Vert$", "½": r"$\frac12$", "₂": "$_2$", "₁": "$_1$"},
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


def latex_table(cells: pd.DataFrame, numeric: list[bool], caption: str, label: str, notes: str = "") -> str:
    """Return a `table` environment, caption above and notes below.

    cells: strings that are LaTeX already. numeric: one flag a column, True = set to the right.
    Column names, caption and notes are plain text and are escaped here.
    """
    alignment = "".join("r" if right else "l" for right in numeric)
    tabular = cells.rename(columns=escape).style.hide(axis="index").to_latex(hrules=True, column_format=alignment)
    below = f"\\par\\smallskip\n{{\\footnotesize {escape(notes)}}}\n" if notes else ""
    return (
        "% needs \\usepackage{booktabs}\n"
        "\\begin{table}[ht]\n\\centering\n"
        f"\\caption{{{escape(caption)}}}\n\\label{{{label}}}\n{tabular}{below}"
        "\\end{table}\n"
    )
