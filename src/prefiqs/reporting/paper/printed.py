"""What the paper prints, one row per number, and beside it the number of a run or why there is none."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from prefiqs.methods.registry import METHODS

BENCHMARKS = ("Adience", "AgeDB-30", "CFP-FP", "CFP-FF", "LFW", "CALFW", "CPLFW", "XQLFW", "IJB-C")
NOT_IN_MEAN = "XQLFW"  # its labels came from SER-FIQ, one of the methods compared
MEAN = "mean"
PASSES = ("feed_forward", "backwards")
# The FR models in the order of Table 5; the first one also estimates the quality for all of them.
ESTIMATOR = "iresnet100"
VERIFIERS = {
    ESTIMATOR: "ArcFace",
    "curricularface": "CurricularFace",
    "elasticface": "ElasticFace",
    "magface": "MagFace",
}
FMR, THRESHOLD, LIMIT = 1e-3, "recomputed", 0.3
RATIO = 0.4  # of PreFIQs in Table 5
OURS = "PreFIQs"
# Scores of this package that are a method of the paper, by method and network. Other training-free methods, of which
# the paper does not say what they ran on, stand under their own names.
SAME = {("norm", "magface"): "MagFace", ("vit-fiqa", "vit-fiqa-t"): "ViT-FIQA(T)"}
# Lines of Table 1 by the method of this package.
OVERVIEW = {
    "prefiqs": "PreFIQs (Ours)",
    "norm": "MagFace",
    "vit-fiqa": "ViT-FIQA(T)",
    "froq": "FROQ",
    "ser-fiq": "SER-FIQ",
    "faceqan": "FaceQAN",
    "grafiqs": "GraFIQs",
    "vitnt-fiqa": "ViTNT-FIQA",
}

# By table, what a result must share with a printed number to stand beside it, and why there is none where it does not.
_BENCHMARK, _ESTIMATOR = {"column": "no results on {column}"}, {"estimator": "no results of ArcFace ResNet-100"}
_PRUNED = dict.fromkeys(("granularity", "criterion", "ratio"), "not run")
_SETTING = {
    "verifier": "not verified by {verifier}",
    "threshold": "threshold not {threshold}",
    "fmr": "not at FMR {fmr:g}",
    "limit": "pAUC not up to {limit:g}",
}
_CONDITIONS = {
    1: {"method": "not implemented here", "column": "not counted"},
    2: _BENCHMARK | _ESTIMATOR | {"drift": "not run", "ratio": "not run at ρ = {ratio:g}"} | _SETTING,
    3: _BENCHMARK | _ESTIMATOR | _PRUNED | _SETTING,
    4: _BENCHMARK | _ESTIMATOR | _PRUNED | {"flip_test": "run without the flip test"},
    5: _BENCHMARK | {"method": "no scores of {method}"} | _SETTING,
}


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a run, one row per number: areas are ·10³, benchmarks have the paper's name (`paper_name`).

    areas: benchmark, estimator (the network of the quality), verifier, key, label, method, network (missing or "" for
        scores that came as a file), granularity, criterion, ratio, supervision ("oracle" for the true severity),
        trained_on, fmr, threshold, limit, constant, pauc, auc, reliable, pauc_low, pauc_high.
    drifts: benchmark, estimator, verifier, drift ("jacobian" or "discrete"), ratio, fmr, threshold, limit, pauc,
        reliable.
    accuracy: benchmark, estimator, granularity and criterion (missing: not pruned), ratio (0: not pruned), flip_test,
        constant, accuracy (%).
    """

    areas: pd.DataFrame
    drifts: pd.DataFrame
    accuracy: pd.DataFrame


def paper_name(benchmark: str) -> str:
    """The paper's name of a benchmark, `cfp_fp` or `ijb-c` for instance, or the name itself if the paper has none."""
    return {letters_of(name): name for name in BENCHMARKS}.get(letters_of(benchmark), benchmark)


def of_table5(areas: pd.DataFrame, estimator: str, printed: pd.DataFrame, ratio: float = RATIO) -> pd.DataFrame:
    """The results that stand in Table 5, with a column printed_as: which of the paper's methods it is, if any.

    Scores that came as a file (which may spell a method otherwise, such as CRFIQAL), and those of `SAME`, stand there
    whatever the estimator; all others are the estimator's. printed: the numbers of Table 5. ratio: of PreFIQs.
    """
    known = {letters_of(name): name for name in printed["method"]}
    method, network = areas["method"], areas["network"].fillna("")
    usual = (areas["granularity"] == "unstructured") & (areas["criterion"] == "l1") & (areas["ratio"] == ratio)
    own = areas["estimator"] == estimator
    names = method.map(letters_of).map(known).where(network == "")
    names = names.mask((method == "prefiqs") & (network == estimator) & usual & own, OURS)
    for (same, on), name in SAME.items():
        names = names.mask((method == same) & (network == on), name)
    own &= (areas["supervision"] != "oracle") & (method != "prefiqs")
    return areas.assign(printed_as=names)[names.notna() | own]


def printed_beside_ours(results: Results, printed: pd.DataFrame, not_comparable: str = "") -> pd.DataFrame:
    """Each printed number beside ours where all that it depends on is as in the paper.

    printed: `data/paper/printed.csv`. not_comparable: why no result but passes can be compared. Returns the columns of
    `printed`, ours, difference (ours − printed), and why there is no number of ours ("" where there is).
    """
    areas = results.areas
    compared = of_table5(areas, ESTIMATOR, printed[printed["table"] == 5])
    passes = [(OVERVIEW[m], *one) for m in OVERVIEW for one in zip(PASSES, METHODS[m].passes or (), strict=False)]
    ours = {
        1: pd.DataFrame(passes, columns=["method", "column", "passes"]),
        2: results.drifts,
        3: areas[(areas["method"] == "prefiqs") & (areas["network"] == areas["estimator"])],
        4: results.accuracy,
        5: compared.assign(method=compared["printed_as"]).dropna(subset="method"),
    }
    beside = printed.join(pd.concat(_beside(part, ours[table], table) for table, part in printed.groupby("table")))
    if not_comparable:
        beside.loc[beside["table"] > 1, ["ours", "why"]] = float("nan"), not_comparable
    beside.insert(beside.columns.get_loc("why"), "difference", beside["ours"] - beside["printed"])
    return beside


def comparable(beside: pd.DataFrame) -> pd.DataFrame:
    """One row a printed table: printed numbers, how many of them can be compared, and why most others cannot.

    beside: as `printed_beside_ours`.
    """
    found = beside.groupby("table").agg(printed=("printed", "size"), comparable=("ours", "count"))
    reasons = beside[beside["ours"].isna()].groupby("table")["why"].agg(lambda why: why.value_counts().index[0])
    return found.join(reasons.rename("reason")).fillna("").reset_index()


def _beside(printed: pd.DataFrame, results: pd.DataFrame, table: int) -> pd.DataFrame:
    """Our numbers of one table, or the first of its conditions that no result meets: columns ours, why."""
    value, conditions = {1: "passes", 4: "accuracy"}.get(table, "pauc"), _CONDITIONS[table]
    wanted = printed[printed["column"] != MEAN]
    wanted = wanted.assign(estimator=ESTIMATOR, threshold=THRESHOLD, fmr=FMR, limit=LIMIT, flip_test=True)
    if table in (2, 3):  # printed is the mean over the FR models
        wanted = wanted.assign(verifier=[list(VERIFIERS)] * len(wanted)).explode("verifier")
    keys, sentences = list(conditions), [*conditions.values(), ""]
    results = results.rename(columns={"benchmark": "column"}).reindex(columns=[*keys, value])
    results = results.astype({key: wanted[key].dtype for key in keys})  # an empty table has no types

    met = np.zeros(len(wanted), int)
    for count in range(1, len(keys) + 1):
        some = results[keys[:count]].drop_duplicates()
        met += (wanted.merge(some, "left", keys[:count], indicator=True)["_merge"] == "both").to_numpy()
    ours = wanted.merge(results[[*keys, value]].drop_duplicates(keys), "left", keys)[value]
    why = [sentences[count].format(**row) for count, row in zip(met, wanted.to_dict("records"), strict=True)]
    found = pd.DataFrame({"ours": ours.to_numpy(), "why": why}, index=wanted.index).groupby(level=0)
    found = pd.DataFrame({"ours": found["ours"].mean(skipna=False), "why": found["why"].max()})

    counted = printed[~printed["column"].isin([MEAN, NOT_IN_MEAN])].join(found)
    missing = counted[counted["why"] != ""].groupby("line")["column"].agg(", ".join)
    line = printed.loc[printed["column"] == MEAN, "line"]
    why = line.map(missing).map("the mean needs {}".format, na_action="ignore").astype(object).fillna("")
    means = pd.DataFrame({"ours": line.map(counted.groupby("line")["ours"].mean(skipna=False)), "why": why})
    return pd.concat([found, means])


def letters_of(name: str) -> str:
    """What is left of a name without case and punctuation, by which names of other sources are recognised."""
    return "".join(char for char in name.casefold() if char.isalnum())
