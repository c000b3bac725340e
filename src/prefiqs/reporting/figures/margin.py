"""The pruning margin: contributions of features, and the effect of the exponent."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.reporting.figures import style


@style.themed
def running_contributions(faces: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw the sum of contributions, the largest first, one panel a face: up by all support, down by what contradicts.

    faces: by title, what each feature contributes to the length of the embedding, (D,).
    """
    figure = style.new_figure(height=3.2)
    for axes, (name, contributions) in zip(
        style.panels(figure, len(faces), 2, sharey=True), faces.items(), strict=True
    ):
        total = np.append(0, np.sort(contributions)[::-1].cumsum())
        share = np.linspace(0, 100, len(total))
        axes.plot(share, total, linewidth=2)
        axes.axhline(total[-1], color=style.GREY, linestyle="--", linewidth=1)
        consensus = abs(total[-1]) / np.abs(contributions).sum()
        axes.set_title(f"{name}: {total[-1]:.1f} left of {total.max():.1f}, κ = {consensus:.2f}")
        axes.set(xlabel="features, the largest contribution first (%)", ylabel="sum of contributions")
        axes.label_outer()
    figure.suptitle(title)
    return figure


@style.themed
def excess_by_exponent(table: pd.DataFrame, chosen: float, title: str) -> Figure:
    """Draw how much larger the pAUC of ‖e‖·κ^p is than that of the norm, one line a verifier; lower is better.

    table: columns verifier, exponent, excess, low, high (shares). chosen: the exponent to mark.
    """
    figure = style.new_figure(height=3.6, width=6.5)
    axes = figure.subplots()
    for (verifier, part), look in zip(table.groupby("verifier", sort=False), cycle(style.STYLES)):  # noqa: B905
        axes.plot(part["exponent"], 100 * part["excess"], label=verifier, **look)
        axes.fill_between(
            part["exponent"], 100 * part["low"], 100 * part["high"], color=look["color"], alpha=0.15, linewidth=0
        )
    axes.axhline(0, color=style.GREY, linestyle=":")
    axes.axvline(chosen, color=style.GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="exponent p of the consensus", ylabel="pAUC relative to the norm (%)", title=title)
    style.legend_below(figure)
    return figure
