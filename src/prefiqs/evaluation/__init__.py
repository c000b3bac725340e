"""How well a network verifies faces, and how much a quality measure helps it: error rates, curves, areas, accuracy.

Takes and gives arrays; reads no file, draws nothing, and never loads torch. In all of it larger similarity = more
alike, larger quality = better, and a pair matches if and only if its similarity is above the threshold.
"""

from prefiqs.evaluation.bootstrap import BootstrapCurves as BootstrapCurves
from prefiqs.evaluation.bootstrap import Difference as Difference
from prefiqs.evaluation.bootstrap import bootstrap_curves as bootstrap_curves
from prefiqs.evaluation.curve import Curve as Curve
from prefiqs.evaluation.edc import error_discard_curve as error_discard_curve
from prefiqs.evaluation.edc import error_discard_curves as error_discard_curves
from prefiqs.evaluation.error_rates import fnmr_at_fmr as fnmr_at_fmr
from prefiqs.evaluation.error_rates import threshold_at_fmr as threshold_at_fmr
from prefiqs.evaluation.intervals import bootstrap_methods as bootstrap_methods
from prefiqs.evaluation.intervals import differences_table as differences_table
from prefiqs.evaluation.intervals import intervals_table as intervals_table
from prefiqs.evaluation.pairs import cosine_similarity as cosine_similarity
from prefiqs.evaluation.pairs import pair_quality as pair_quality
from prefiqs.evaluation.pairs import squared_distance as squared_distance
from prefiqs.evaluation.random_order import RandomOrder as RandomOrder
from prefiqs.evaluation.random_order import random_order_areas as random_order_areas
from prefiqs.evaluation.study import areas_table as areas_table
from prefiqs.evaluation.study import compare_methods as compare_methods
from prefiqs.evaluation.study import curves_table as curves_table
from prefiqs.evaluation.study import discard_grid as discard_grid
from prefiqs.evaluation.study import random_curves_table as random_curves_table
from prefiqs.evaluation.study import random_orders as random_orders
from prefiqs.evaluation.study import random_table as random_table
from prefiqs.evaluation.templates import comparison_units as comparison_units
from prefiqs.evaluation.templates import pool_templates as pool_templates
from prefiqs.evaluation.templates import template_quality as template_quality
from prefiqs.evaluation.verification import Accuracy as Accuracy
from prefiqs.evaluation.verification import verification_accuracy as verification_accuracy
