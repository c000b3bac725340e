"""The pruning margin: contributions of features, and the effect of the exponent."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from prefiqs.reporting.figures import style
from prefiqs.reporting.tables import TRAINED_ON, doubts_by_verifier


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
        axes.plot(share, total, linewidth=2, color=style.METHODS["pruning-margin"]["color"])
        axes.axhline(total[-1], color=style.GREY, linestyle="--", linewidth=1)
        consensus = abs(total[-1]) / np.abs(contributions).sum()
        axes.set_title(f"{name}: {total[-1]:.1f} left of {total.max():.1f}, κ = {consensus:.2f}")
        axes.set(xlabel="features, the largest contribution first (%)", ylabel="sum of contributions")
        axes.label_outer()
    figure.suptitle(title)
    return figure


@style.themed
def excess_by_exponent(table: pd.DataFrame, chosen: float, title: str, trained_on: bool) -> Figure:
    """Draw how much larger the pAUC of ‖e‖·κ^p is than that of the norm, one panel a verifier; lower is better.

    table: columns verifier, exponent, excess, low, high (shares), reliable. chosen: the exponent to mark. trained_on:
    whether it was chosen on these data.
    """
    doubts = doubts_by_verifier(table)
    parts, look = dict(list(table.groupby("verifier", sort=False))), style.METHODS["pruning-margin"]
    columns = min(4, len(parts))
    figure = style.new_figure(height=0.8 + 2.4 * -(-len(parts) // columns), width=style.WIDTH if columns > 1 else 5)
    drawn = style.panels(figure, len(parts), columns, sharey=True, sharex=True)
    for axes, (verifier, part) in zip(drawn, parts.items(), strict=True):
        axes.plot(part["exponent"], 100 * part["excess"], **look)
        axes.fill_between(
            part["exponent"], 100 * part["low"], 100 * part["high"], color=look["color"], alpha=0.2, linewidth=0
        )
        axes.axhline(0, color="black", linewidth=1)
        axes.axvline(chosen, color=style.GREY, linestyle="--", linewidth=1)
        axes.set_title(f"verifier {verifier}{doubts[verifier]}", fontsize=style.SMALL + 1)
        axes.tick_params(labelsize=style.SMALL)
    figure.suptitle(f"{title} {TRAINED_ON}" if trained_on else title)
    about = "exponent p of the consensus (0: the norm; dashed: pruning-margin); bands are 90 % intervals"
    figure.supxlabel(style.explained(about, trained_on), fontsize=style.SMALL + 1)
    figure.supylabel("pAUC relative to the norm (%)", fontsize=style.SMALL + 1)
    return figure
