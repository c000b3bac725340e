"""Figures of the reports. Each function returns a matplotlib Figure that fits a screen, and needs no display.

Figures are made without pyplot: nothing is registered globally, so that nothing has to be closed and a notebook shows
a figure once, as the value of its cell.
"""

from prefiqs.reporting.figures.areas import grouped_pauc as grouped_pauc
from prefiqs.reporting.figures.areas import pauc_intervals as pauc_intervals
from prefiqs.reporting.figures.areas import ratio_by_fmr as ratio_by_fmr
from prefiqs.reporting.figures.curves import accuracy_by_ratio as accuracy_by_ratio
from prefiqs.reporting.figures.curves import edc_figure as edc_figure
from prefiqs.reporting.figures.curves import pauc_by_ratio as pauc_by_ratio
from prefiqs.reporting.figures.density import density_map as density_map
from prefiqs.reporting.figures.density import density_panels as density_panels
from prefiqs.reporting.figures.distributions import drift_histograms as drift_histograms
from prefiqs.reporting.figures.distributions import scatter_agreement as scatter_agreement
from prefiqs.reporting.figures.exits import attention_grid as attention_grid
from prefiqs.reporting.figures.exits import pauc_by_gflops as pauc_by_gflops
from prefiqs.reporting.figures.faces import degradation_ladder as degradation_ladder
from prefiqs.reporting.figures.faces import face_grid as face_grid
from prefiqs.reporting.figures.grid import edc_grid as edc_grid
from prefiqs.reporting.figures.methods import rank_correlations as rank_correlations
from prefiqs.reporting.figures.methods import side_by_side as side_by_side
from prefiqs.reporting.figures.price import pareto_front as pareto_front
from prefiqs.reporting.figures.price import pauc_by_passes as pauc_by_passes
from prefiqs.reporting.figures.style import save_figure as save_figure
from prefiqs.reporting.figures.training import training_curves as training_curves
