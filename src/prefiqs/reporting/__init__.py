"""Tables, figures, quotable numbers and rendered notebooks: all that turns results into something to read.

Takes tables and arrays, computes no result, and never loads torch. The names below are loaded when first used: the
process that runs a notebook needs no plotting library, and a notebook that draws needs no nbconvert.
"""

from importlib import import_module

_MODULE_OF = {
    "write_table_files": "tables",
    "read_table": "tables",
    "collect": "paper",
    "supervision_of": "paper",
    "write_paper_tables": "paper",
    "write_numbers": "numbers",
    "merge_numbers": "numbers",
    "face_grid": "figures",
    "degradation_ladder": "figures",
    "drift_histograms": "figures",
    "edc_figure": "figures",
    "edc_grid": "figures",
    "pauc_intervals": "figures",
    "grouped_pauc": "figures",
    "ratio_by_fmr": "figures",
    "pauc_by_ratio": "figures",
    "accuracy_by_ratio": "figures",
    "density_map": "figures",
    "density_panels": "figures",
    "scatter_agreement": "figures",
    "rank_correlations": "figures",
    "side_by_side": "figures",
    "training_curves": "figures",
    "attention_grid": "figures",
    "pareto_front": "figures",
    "pauc_by_gflops": "figures",
    "pauc_by_passes": "figures",
    "save_figure": "figures",
    "paper_claims": "report",
    "report_text": "report",
    "run_notebook": "notebooks",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
