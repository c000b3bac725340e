"""Tables: what is marked, what is printed, and that the files do not change."""

import numpy as np
import pandas as pd
import pytest

from prefiqs.io.tables import read_table
from prefiqs.reporting.latex import escape, write_latex
from prefiqs.reporting.tables import Table

CAPTION = "pAUC·10³ at ρ ≤ 0.9, 100 % of ser_fiq & co."
NOTES = "A − B, 5–95 %."


@pytest.fixture
def frame():
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
def table(frame):
    best = {"pAUC": "max", "accuracy": "max", "pairs": "min"}
    return Table(frame, CAPTION, best, {"accuracy": 2}, NOTES)


def rows_of(markdown):
    lines = [line.replace(r"\|", "¦") for line in markdown.splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_all_best_values_are_bold_and_all_second_best_in_italics(table):
    # 3.0004 and 3.0 are both printed as 3.000, so both are best; 10 is the fewest, three times 20 comes second
    assert rows_of(table.markdown())[2:] == [
        ["L1¦a", "0.1", "**3.000**", "**0.75**", "**10**"],
        ["None", "0.2", "*2.000*", "0.50", "*20*"],
        ["ser_fiq", "0.4", "–", "**0.75**", "30"],
        ["norm", "0.7", "**3.000**", "–", "*20*"],
        ["NA", "0.9", "−0.0001", "*0.62*", "*20*"],
    ]


def test_a_notebook_shows_the_markdown_file(table, tmp_path):
    table.write(tmp_path / "t_0.1")
    text = (tmp_path / "t_0.1.md").read_text(encoding="utf-8")
    assert text.startswith(CAPTION + "\n\n|") and text.endswith("|\n\n" + NOTES + "\n")
    assert table._repr_markdown_() == text and " at 0x" not in repr(table)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t_0.1.csv", "t_0.1.md"]


def test_csv_holds_unrounded_numbers_and_reads_back(table, frame, tmp_path):
    table.write(tmp_path / "t")
    read = read_table(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)
    assert read["method"].tolist()[1::3] == ["None", "NA"]


@pytest.mark.parametrize("digits", [0, 1, 2, 3])
def test_only_zero_is_printed_as_zero(digits):
    frame = pd.DataFrame({"fmr": [1e-3, 1e-4, 0.0, -0.0], "p": [0.0004, -3e-7, 0.0, 1 / 3], "std": [1.5, 2, 3, 4e-9]})
    text = Table(frame, "c", digits={"fmr": digits, "p": digits, "std": digits}).text()
    for name in frame:
        assert [float(cell.replace("−", "-")) == 0 for cell in text[name]] == (frame[name] == 0).tolist()
    assert "−0" not in text["fmr"].tolist()
    assert rows_of(Table(frame[["fmr"]], "c", digits=1).markdown())[2:4] == [["0.001"], ["0.0001"]]


def test_numbers_that_differ_in_print_are_ranked_apart():
    frame = pd.DataFrame({"p": [2e-4, 1e-4, 5.0]})
    assert rows_of(Table(frame, "c", {"p": "min"}, digits=2).markdown())[2:] == [["*0.0002*"], ["**0.0001**"], ["5.00"]]


def test_set_values_are_printed_as_they_are_and_measured_ones_rounded():
    frame = pd.DataFrame({"fmr": [1e-3, 1e-4], "ratio": [0.1, np.nan], "std": [0.25, 0.5], "pauc": [34.0, 0.5]})
    table = Table(frame.assign(resolved=[True, False]), "c", {"pauc": "min"}, {"std": 3})
    assert table.text().to_numpy().tolist() == [
        ["0.001", "0.1", "0.250", "34.000", "yes"],
        ["0.0001", "–", "0.500", "0.500", "no"],
    ]


def test_coarse_numbers_have_two_significant_digits():
    frame = pd.DataFrame({"pauc": [0.5678, 0.5678, 123.4, 0.5712], "pauc_low": [0.123, 0.123, 99.9, 0.5]})
    frame = frame.assign(pauc_high=frame["pauc"] + 1, few=[True, False, True, True])
    table = Table(frame, "c", {"pauc": "min"}, intervals=["pauc"], coarse={"pauc": "few"})
    assert rows_of(table.markdown())[2:] == [
        ["*0.57* [0.12, 1.6]"], ["**0.568** [0.12, 1.57]"], ["120 [100, 120]"], ["*0.57* [0.5, 1.6]"],
    ]  # fmt: skip


def test_a_column_without_a_value_is_in_the_csv_only(tmp_path):
    frame = pd.DataFrame({"method": ["a", "b"], "LFW": np.nan, "pauc": [1.5, 2.5]})
    table = Table(frame, "c", {"LFW": "min"})
    table.write(tmp_path / "t")
    assert list(table.text()) == ["method", "pauc"] and rows_of(table.markdown())[0] == ["method", "pauc"]
    assert list(read_table(tmp_path / "t.csv")) == ["method", "LFW", "pauc"]
    assert list(Table(frame[:0], "c").text()) == list(frame)


def test_blocks_groups_intervals_and_signs(tmp_path):
    frame = pd.DataFrame({"part": ["A|1", "A|1", "B", "C"], "name": list("wxyz"), "loss": [2.5, 1.5, 7.5, 8.5]})
    frame = frame.assign(loss_low=[2, np.nan, 7.123, 8], loss_high=[3, np.nan, 8, 9], key=1, ms=[0.5, 2, 3, 4])
    table = Table(frame, "c", {"loss": "min"}, blocks="part", within={"loss": ["part"]}, intervals=["loss"],
                  hidden=["key"], not_in_csv=["ms"], trained_on={"loss": [False, True, False, False]})  # fmt: skip
    rows = rows_of(table.markdown())
    assert [*rows[:1], *rows[2:]] == [
        ["name", "loss", "ms"],
        ["**A¦1**", "", ""], ["w", "*2.500* [2.00, 3.00]", "0.5"], ["x", "**1.500** §", "2"],
        ["**B**", "", ""], ["y", "7.500 [7.12, 8.00]", "3"],  # alone: nothing to compare with
        ["**C**", "", ""], ["z", "8.500 [8.00, 9.00]", "4"],
    ]  # fmt: skip
    table.write(tmp_path / "t")
    assert list(read_table(tmp_path / "t.csv")) == [*frame][:-1]
    write_latex(table, tmp_path / "t")
    latex = (tmp_path / "t.tex").read_text(encoding="utf-8")
    assert latex.count("\\multicolumn{3}{c}{") == 3 and latex.count("\\midrule") == 6


def test_latex_is_booktabs_with_marks_and_escapes(table, tmp_path):
    write_latex(table, tmp_path / "t_1")
    text = (tmp_path / "t_1.tex").read_text(encoding="utf-8")
    assert text.isascii()
    rules = [line for line in text.splitlines() if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"\caption{pAUC$\cdot$10$^3$ at $\rho$ $\le$ 0.9, 100 \% of ser\_fiq \& co.}" in text
    assert r"\label{tab:t_1}" in text and r"\begin{tabular}{lrrrr}" in text
    assert r"method & $\rho$ & pAUC & accuracy & pairs \\" in text
    assert r"L1$|$a & 0.1 & \textbf{3.000} & \textbf{0.75} & \textbf{10} \\" in text
    assert r"None & 0.2 & \underline{2.000} & 0.50 & \underline{20} \\" in text
    assert r"ser\_fiq & 0.4 & -- & \textbf{0.75} & 30 \\" in text
    assert "A $-$ B, 5--95 \\%." in text
    assert escape("50% of {a}_b ~ \\ $1 #2 ^") == (
        r"50\% of \{a\}\_b \textasciitilde{} \textbackslash{} \$1 \#2 \textasciicircum{}"
    )
