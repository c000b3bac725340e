"""The results of a run that the paper has too, and the paper's names and settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

BENCHMARKS = ("Adience", "AgeDB-30", "CFP-FP", "CFP-FF", "LFW", "CALFW", "CPLFW", "XQLFW", "IJB-C")
# The FR models in the order of Table 5, and the one whose quality estimates the paper evaluates with all of them.
VERIFIERS = {
    "iresnet100": "ArcFace",
    "curricularface": "CurricularFace",
    "elasticface": "ElasticFace",
    "magface": "MagFace",
}
ESTIMATOR = "iresnet100"
FMR, THRESHOLD, LIMIT = 1e-3, "recomputed", 0.3
RATIO = 0.4  # of PreFIQs in Table 5
OURS = "PreFIQs"
# Scores of this package that are a method of the paper, by method and network. What the paper ran SER-FIQ, GraFIQs and
# the other training-free methods on it does not say: ours stand under their own names.
SAME = {("norm", "magface"): "MagFace", ("vit-fiqa", "vit-fiqa-t"): "ViT-FIQA(T)"}

Passes = Mapping[str, tuple[int, int] | None]  # forward and backward passes of an image by method; None: neither counts


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a run, one row a number.

    Benchmarks have the paper's name if it has one (`paper_name`); `estimator` is the network that estimates quality,
    `verifier` the one that verifies; areas are ·10³.

    Attributes:
        areas: benchmark, estimator, verifier, key, label, method, network (missing or "" for scores that came as a
            file), granularity, criterion, ratio, supervision ("oracle" for the true severity), trained_on, fmr,
            threshold, limit, pauc, auc, fmr_resolvable, pauc_low, pauc_high.
        drifts: benchmark, estimator, verifier, drift ("jacobian" or "discrete"), ratio, fmr, threshold, limit, pauc.
        accuracy: benchmark, estimator, granularity and criterion (missing: not pruned), ratio (0: not pruned),
            flip_test, accuracy (%).
    """

    areas: pd.DataFrame
    drifts: pd.DataFrame
    accuracy: pd.DataFrame


def paper_name(benchmark: str) -> str:
    """The paper's name of a benchmark, `cfp_fp` or `ijb-c` for instance, or the name itself if the paper has none."""
    return {_letters(name): name for name in BENCHMARKS}.get(_letters(benchmark), benchmark)


def of_table5(areas: pd.DataFrame, estimator: str, printed: Iterable[str], ratio: float = RATIO) -> pd.DataFrame:
    """The results that stand in Table 5, with a column printed_as: which of the paper's methods it is, if any.

    Scores that came as a file, and those of `SAME`, stand there whatever the estimator; all others are the estimator's.
    printed: the methods of the paper, whose score files may spell them otherwise (CRFIQAL). ratio: of PreFIQs.
    """
    known = {_letters(name): name for name in printed}
    areas = areas.assign(network=areas["network"].fillna(""))

    def printed_as(result: Any) -> str | None:
        if not result.network:
            return known.get(_letters(result.method))
        spec = result.method, result.granularity, result.criterion, result.ratio
        if spec == ("prefiqs", "unstructured", "l1", ratio) and result.network == result.estimator == estimator:
            return OURS
        return SAME.get((result.method, result.network))

    names = pd.Series([printed_as(result) for result in areas.itertuples()], areas.index, object)
    own = (areas["estimator"] == estimator) & ~areas["supervision"].eq("oracle") & ~areas["method"].eq("prefiqs")
    return areas.assign(printed_as=names)[names.notna() | own]


def _letters(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
