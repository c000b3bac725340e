"""How unequally rejection treats groups of people."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from prefiqs.reporting.figures import style


@style.themed
def group_shares(table: pd.DataFrame, title: str) -> Figure:
    """Draw the share of images rejected and the FNMR of each group over the percentile of the rejection threshold.

    table: of one method, verifier and FMR, as of `evaluation.groups.group_points` at percentiles. Bars are 95 %
    intervals; groups are moved apart a little, so that bars do not cover each other.
    """
    figure = style.new_figure(height=3.6)
    left, right = figure.subplots(1, 2)
    groups = list(table.assign(group=table["group"].astype(str)).groupby("group", sort=False))
    looks = style.looks(name for name, _ in groups)
    step = 0.012 * table["percentile"].max()
    for place, (group, part) in enumerate(groups):
        shift = step * (place - (len(groups) - 1) / 2)
        for axes, value in ((left, "rejected"), (right, "fnmr")):
            _draw(axes, part["percentile"] + shift, part, value, label=group, markersize=4, **looks[group])
    most = table["percentile"].max()
    left.plot([0, most], [0, most / 100], color=style.GREY, linestyle=":", label="equal shares")
    left.set(ylabel="images rejected")
    right.set(ylabel=f"FNMR of the pairs left, FMR {table['fmr'].iloc[0]:g}")
    for axes in (left, right):
        axes.set(xlabel="percentile of all scores at the rejection threshold", ylim=(0, None))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.suptitle(title)
    style.legend_below(figure, 5)
    return figure


def _draw(axes: Axes, x: pd.Series, part: pd.DataFrame, value: str, **line) -> None:
    ends = np.abs(part[[f"{value}_low", f"{value}_high"]].to_numpy() - part[[value]].to_numpy()).T
    axes.errorbar(x, part[value], np.nan_to_num(ends), linewidth=1.4, elinewidth=0.8, capsize=2, **line)
