"""The paper's Tables 1 to 5 with this run's numbers, and beside each a companion with the printed ones.

Our numbers and the paper's meet only in a companion, and there only where the setting is the paper's.
"""

from prefiqs.reporting.paper.comparison import comparison_table, measured_overview, overview, supervision_of
from prefiqs.reporting.paper.files import write_paper_tables
from prefiqs.reporting.paper.layout import PaperTable
from prefiqs.reporting.paper.pruning import accuracy_table, drift_table, pruning_table
from prefiqs.reporting.paper.results import Results, collect

__all__ = [
    "PaperTable",
    "Results",
    "accuracy_table",
    "collect",
    "comparison_table",
    "drift_table",
    "measured_overview",
    "overview",
    "pruning_table",
    "supervision_of",
    "write_paper_tables",
]
