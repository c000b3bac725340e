"""Tables: what is marked, what is escaped, and that the files do not change."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.io.tables import read_table
from prefiqs.reporting.latex import escape
from prefiqs.reporting.tables import write_table_files

CAPTION = "pAUC·10³ at ρ ≤ 0.9, 100 % of ser_fiq & co."
NOTES = "A − B, 5–95 %."


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "method": ["L1|a", "None", "ser_fiq", "norm", "NA"],
            "ρ": [0.1, 0.2, 0.4, 0.7, 0.9],
            "pAUC": [3.0004, 2.0, np.nan, 3.0, -0.0001],
            "accuracy": [0.75, 0.5, 0.75, np.nan, 0.625],
            "pairs": [10, 20, 30, 20, 20],
        }
    )


@pytest.fixture
def written(table, tmp_path):
    best = {"pAUC": "max", "accuracy": "max", "pairs": "min"}
    shown = write_table_files(table, "t_1", tmp_path, CAPTION, best, {"accuracy": 2}, NOTES)
    return shown, tmp_path


def markdown_rows(folder):
    lines = (folder / "t_1.md").read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.replace(r"\|", "¦").strip("|").split("|")] for line in lines if line[:1] == "|"
    ]


def test_markdown_marks_all_best_in_bold_and_all_second_best_in_italics(written):
    rows = markdown_rows(written[1])
    assert rows[0] == ["method", "ρ", "pAUC", "accuracy", "pairs"]
    # 3.0004 and 3.0 are both printed as 3.000, so both are best; 10 is the fewest, three times 20 comes second
    assert rows[2:] == [
        ["L1¦a", "0.1", "**3.000**", "**0.75**", "**10**"],
        ["None", "0.2", "*2.000*", "0.50", "*20*"],
        ["ser_fiq", "0.4", "–", "**0.75**", "30"],
        ["norm", "0.7", "**3.000**", "–", "*20*"],
        ["NA", "0.9", "0.000", "*0.62*", "*20*"],
    ]


def test_markdown_has_the_caption_above_and_the_notes_below(written):
    text = (written[1] / "t_1.md").read_text(encoding="utf-8")
    assert text.startswith(CAPTION + "\n\n|") and text.endswith("|\n\n" + NOTES + "\n")


def test_latex_is_booktabs_with_marks_and_escapes(written):
    text = (written[1] / "t_1.tex").read_text(encoding="utf-8")
    assert text.isascii()
    assert [line for line in text.splitlines() if line in (r"\toprule", r"\midrule", r"\bottomrule")] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]
    assert r"\caption{pAUC$\cdot$10$^3$ at $\rho$ $\le$ 0.9, 100 \% of ser\_fiq \& co.}" in text
    assert r"\label{tab:t_1}" in text and r"\begin{tabular}{lrrrr}" in text
    assert r"method & $\rho$ & pAUC & accuracy & pairs \\" in text
    assert r"L1$|$a & 0.1 & \textbf{3.000} & \textbf{0.75} & \textbf{10} \\" in text
    assert r"None & 0.2 & \underline{2.000} & 0.50 & \underline{20} \\" in text
    assert r"ser\_fiq & 0.4 & -- & \textbf{0.75} & 30 \\" in text
    assert "A $-$ B, 5--95 \\%." in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not on this machine")
def test_latex_compiles(written):
    document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{t_1}\n\\end{document}\n"
    (written[1] / "all.tex").write_text(document)
    done = subprocess.run(["pdflatex", "-halt-on-error", "all"], cwd=written[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_character_without_latex_form_is_refused():
    assert escape("50% of {a}_b ~ \\ $1 #2 ^") == (
        r"50\% of \{a\}\_b \textasciitilde{} \textbackslash{} \$1 \#2 \textasciicircum{}"
    )
    with pytest.raises(InputError, match="🙂"):
        escape("good 🙂")


def test_csv_holds_unrounded_numbers_and_reads_back(written, table):
    read = read_table(written[1] / "t_1.csv")
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    assert read["method"].tolist()[1::3] == ["None", "NA"]


def test_the_shown_table_is_rounded_as_printed(written):
    shown = written[0]
    assert shown["pAUC"].tolist()[:2] == [3.0, 2.0] and shown["accuracy"].tolist()[4] == 0.62
    assert shown["pairs"].tolist() == [10, 20, 30, 20, 20]


def test_two_writes_give_the_same_bytes(table, tmp_path):
    for folder in ("a", "b"):
        write_table_files(table, "t", tmp_path / folder, CAPTION, {"pAUC": "min"}, notes=NOTES)
    for kind in ("csv", "md", "tex"):
        assert (tmp_path / "a" / f"t.{kind}").read_bytes() == (tmp_path / "b" / f"t.{kind}").read_bytes()


def test_set_values_are_printed_as_they_stand_and_measured_ones_are_not(tmp_path):
    table = pd.DataFrame({"fmr": [1e-3, 1e-4], "ratio": [0.1, np.nan], "std": [0.25, 0.5], "pauc": [34.0, 0.5]})
    shown = write_table_files(table, "t_1", tmp_path, "c", {"pauc": "min"}, {"std": 3})
    assert markdown_rows(tmp_path)[2:] == [
        ["0.001", "0.1", "0.250", "*34.000*"],
        ["0.0001", "–", "0.500", "**0.500**"],
    ]
    assert shown["fmr"].tolist() == [1e-3, 1e-4]


@pytest.mark.parametrize("best", [{"absent": "min"}, {"method": "min"}, {"pAUC": "lowest"}])
def test_a_mark_that_cannot_be_set_is_refused(table, tmp_path, best):
    with pytest.raises(InputError, match="best"):
        write_table_files(table, "t", tmp_path, CAPTION, best)
    assert not list(tmp_path.iterdir())
