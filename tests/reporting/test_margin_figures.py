"""Figures of the pruning margin: every verifier has a line, every face a panel."""

import numpy as np
import pandas as pd

from prefiqs.reporting.figures.margin import excess_by_exponent, running_contributions


def test_every_verifier_has_a_panel_however_many_there_are():
    rows = [(f"v{k}", p, k * p, k * p - 1, k * p + 1, k > 0 or p < 1) for k in range(12) for p in (0.0, 1, 2)]
    table = pd.DataFrame(rows, columns=["verifier", "exponent", "excess", "low", "high", "reliable"])
    figure = excess_by_exponent(table, 2, "title", trained_on=True)
    lines = {axes.get_title(): axes.lines[0].get_ydata().tolist() for axes in figure.axes}
    doubts = {0: "\n2 areas not reliable"}
    assert lines == {f"verifier v{k}{doubts.get(k, '')}": [0.0, 100 * k, 200 * k] for k in range(12)}
    assert figure.get_suptitle() == "title §" and "§ trained or chosen on" in figure.get_supxlabel()
    assert excess_by_exponent(table, 2, "title", trained_on=False).get_suptitle() == "title"


def test_contributions_are_added_up_from_the_largest():
    figure = running_contributions({"low": np.array([-1.0, 3, 1]), "high": np.array([2.0, 2, 0])}, "title")
    low, high = (axes.lines[0].get_ydata().tolist() for axes in figure.axes)
    assert low == [0, 3, 4, 3] and high == [0, 2, 4, 4]
    assert figure.axes[0].get_title() == "low: 3.0 left of 4.0, κ = 0.60"
