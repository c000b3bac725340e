"""The paper's tables: what is printed, our numbers in the same layout, and when the two may stand side by side."""

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefiqs.io.tables import read_table
from prefiqs.reporting.paper.printed import Results, paper_name
from prefiqs.reporting.paper.tables import paper_tables, write_paper_tables

PAPER = Path(__file__).parents[2] / "data" / "paper"
FR_MODELS = {
    "iresnet100": "ArcFace",
    "curricularface": "CurricularFace",
    "elasticface": "ElasticFace",
    "magface": "MagFace",
}
SEVEN = ["Adience", "AgeDB-30", "CFP-FP", "LFW", "CALFW", "CPLFW", "XQLFW"]
EIGHT = [*SEVEN, "IJB-C"]
SIX = ["LFW", "CFP-FP", "CFP-FF", "AgeDB-30", "CALFW", "CPLFW"]
TIMES = {"milliseconds": 1.0, "plain passes": 1.0}
SETTING = dict(fmr=0.001, threshold="recomputed", limit=0.3)


def made(results, costs, folder, **options):
    """The tables, after they were written into a folder."""
    tables = paper_tables(results, costs, PAPER, **options)
    write_paper_tables(tables, folder)
    return tables


@cache
def printed(number):
    """A printed table as in the paper, with a column a benchmark."""
    numbers = pd.read_csv(PAPER / "printed.csv").query("table == @number")
    about = numbers.drop_duplicates("line").set_index("line").drop(columns=["table", "column", "printed"])
    return about.dropna(axis=1, how="all").join(numbers.pivot(index="line", columns="column", values="printed"))


# --- what is printed ---------------------------------------------------------------------------------------------


def means_that_do_not_fit(table, benchmarks, tolerance):
    distance = (table[benchmarks].mean(axis=1) - table["mean"]).abs()
    return table[distance > tolerance + 1e-9]


def test_five_of_the_sixty_printed_means_of_table_5_are_not_those_of_their_row():
    table = printed(5)
    assert len(table) == 60
    # values and mean are rounded to three digits each, so up to 0.001 is rounding
    wrong = means_that_do_not_fit(table, [b for b in EIGHT if b != "XQLFW"], 0.001)
    assert list(zip(wrong["verifier"].map(FR_MODELS), wrong["method"], strict=True)) == [
        ("ArcFace", "DifFIQA(R)"),
        ("ArcFace", "eDifFIQA(L)"),
        ("ArcFace", "FROQ"),
        ("ArcFace", "SER-FIQ"),
        ("ElasticFace", "ViT-FIQA(T)"),
    ]


@pytest.mark.parametrize(
    ("number", "benchmarks", "tolerance"),
    [
        (2, SEVEN[:-1], 0.001),
        (3, SEVEN[:-1], 0.001),
        (4, SIX, 0.01),
    ],
)
def test_all_other_printed_means_are_those_of_their_row(number, benchmarks, tolerance):
    assert means_that_do_not_fit(printed(number), benchmarks, tolerance).empty


def test_table_2_and_table_3_differ_in_the_row_that_they_share():
    drift = printed(2).set_index("drift").loc["discrete", SEVEN]
    pruned = printed(3).iloc[0][SEVEN]
    assert (drift != pruned).all()


def test_table_3_at_the_ratio_of_table_5_is_its_mean_over_the_fr_models():
    ours = printed(5).query("method == 'PreFIQs'")[SEVEN].mean()
    at_04 = printed(3).query("granularity == 'unstructured' and criterion == 'l1' and ratio == 0.4")
    assert np.allclose(at_04[SEVEN].iloc[0].astype(float), ours, rtol=0, atol=0.001)


# --- a run that found exactly what is printed --------------------------------------------------------------------


def long(table, benchmarks, value):
    keys = [name for name in table if name not in benchmarks]
    return table.melt(keys, benchmarks, "benchmark", value)


@cache
def found(benchmarks=(*EIGHT, "CFP-FF"), estimator="iresnet100"):
    """The results of a run on some benchmarks, if every number were the printed one."""
    verifiers = pd.Series(list(FR_MODELS), name="verifier")
    methods = long(printed(5).drop(columns="mean"), EIGHT, "pauc")
    ours = methods["method"] == "PreFIQs"
    methods["network"] = np.where(ours, estimator, "")
    methods["method"] = methods["method"].replace({"PreFIQs": "prefiqs"})
    methods.loc[ours, ["granularity", "criterion", "ratio"]] = "unstructured", "l1", 0.4
    pruned = printed(3)
    pruned = pruned[
        (pruned["granularity"] != "unstructured") | (pruned["criterion"] != "l1") | (pruned["ratio"] != 0.4)
    ]
    pruned = long(pruned.drop(columns="mean"), SEVEN, "pauc")
    pruned = pruned.merge(verifiers, how="cross").assign(method="prefiqs", network=estimator)
    areas = pd.concat([methods, pruned], ignore_index=True)
    areas = areas.assign(
        key=areas["method"].replace({"prefiqs": "PreFIQs"}),
        label=areas["method"],
        trained_on=False,
        reliable=True,
        constant=False,
        **SETTING,
    )
    areas["supervision"] = areas["supervision"].fillna("unsupervised")
    drifts = printed(2).drop(columns="mean")
    drifts = long(drifts, SEVEN, "pauc").merge(verifiers, how="cross").assign(reliable=True, **SETTING)
    accuracy = printed(4).drop(columns="mean")
    accuracy = long(accuracy, SIX, "accuracy")
    parts = (areas, drifts, accuracy.assign(flip_test=True, constant=False))
    return Results(*(t[t["benchmark"].isin(benchmarks)].assign(estimator=estimator) for t in parts))


def changed(results, change):
    return Results(change(results.areas), change(results.drifts), results.accuracy)


def beside(results, folder, **options):
    made(results, [], folder, **options)
    return read_table(folder / "companion.csv")


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    return made(found(), [], folder), folder


def test_a_run_that_found_what_is_printed_has_a_number_beside_each(complete):
    table = read_table(complete[1] / "companion.csv")
    for number, cells in {2: 2 * 8, 3: 27 * 8, 4: 16 * 7, 5: 60 * 9}.items():
        part = table[table["table"] == f"Table {number}"]
        assert len(part) == cells and part["ours"].notna().all() and part["why"].isna().all()
        away = part[part["difference"].abs() > (0.011 if number == 4 else 0.0011)]
        assert len(away) == (5 if number == 5 else 0) and (away["column"] == "mean").all()
        assert np.allclose(part["ours"] - part["printed"], part["difference"], atol=1e-8)


def markdown_rows(folder, name):
    lines = (folder / f"{name}.md").read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]


def test_second_best_of_table_3_as_the_paper_marks_it(complete):
    rows = [row for row in markdown_rows(complete[1], "paper-table3-iresnet100") if " ρ = " in row[0]]
    assert len(rows) == 36
    second = {cell.strip("*") for row in rows for cell in row[1:8] if cell.startswith("*") and cell[1] != "*"}
    assert second == {"9.797", "6.867", "3.759", "0.752", "20.722", "20.442", "136.922"}
    best_means = [row[0] for row in rows if row[8].startswith("**")]  # per strategy: the shaded cells of the paper
    assert best_means == ["Unstructured ρ = 0.4", "Structured ρ = 0.1", "L1 magnitude ρ = 0.4", "Random ρ = 0.1"]


def test_table_5_has_the_blocks_rows_and_columns_of_the_paper(complete):
    made, order = complete[0]["paper-table5-iresnet100"], printed(5)
    shown = made.frame.drop(columns=[*made.coarse.values()])
    assert list(zip(shown["block"], shown["key"], strict=True)) == [
        *zip(order["verifier"].map(FR_MODELS), order["method"], strict=True)
    ]
    assert list(shown) == ["block", "verifier", "key", "supervision", "Methods", *EIGHT, "mean"]
    methods = dict(zip(shown["key"], shown["Methods"], strict=True))
    assert [methods[m] for m in ("CR-FIQA(L)", "FROQ", "PreFIQs")] == ["CR-FIQA(L) †", "FROQ ‡", "PreFIQs"]
    rows = markdown_rows(complete[1], "paper-table5-iresnet100")
    start = next(i for i, row in enumerate(rows) if row[0] == "**ArcFace**")
    marked = {row[0]: row[9] for row in rows[start + 1 : start + 16] if "*" in row[9]}
    assert marked == {  # the mean, among supervised and among unsupervised methods
        "eDifFIQA(L) †": "**9.813**",
        "CR-FIQA(L) †": "*10.124*",
        "PreFIQs": "**10.070**",
        "SER-FIQ": "*10.561*",
    }


def test_each_table_has_three_files(complete):
    names = {"paper-table1", *(f"paper-table{number}-iresnet100" for number in (2, 3, 4, 5))}
    files = {f"{name}.{kind}" for name, kind in product(names, ("csv", "md", "tex"))}
    assert {path.name for path in complete[1].iterdir()} == files | {"companion.csv", "companion.md"}


# --- why a number is not compared --------------------------------------------------------------------------------


def why(table, number, **cell):
    """The reasons for the printed numbers with these properties."""
    part = table[table["table"] == f"Table {number}"]
    assert (part["ours"].notna() == part["why"].isna()).all()
    for name, value in cell.items():
        part = part[part[name] == value]
    assert len(part)
    return set(part["why"].fillna(""))


def test_table_1_is_compared_by_its_passes(complete):
    table = read_table(complete[1] / "companion.csv").query("table == 'Table 1'")
    ours = table[table["method"] == "PreFIQs (Ours)"].set_index("column")
    assert ours.loc["feed_forward", ["printed", "ours"]].tolist() == [2, 2]
    assert why(table, 1, method="SDD-FIQA") == {"not implemented here"}


def test_a_benchmark_that_was_not_run(tmp_path):
    table = beside(found(("LFW", "XQLFW")), tmp_path)
    assert why(table, 3, column="LFW") == why(table, 4, column="LFW") == {""}
    assert why(table, 3, column="CALFW") == {"no results on CALFW"}
    assert why(table, 5, column="mean") == {"the mean needs Adience, AgeDB-30, CFP-FP, CALFW, CPLFW, IJB-C"}
    notes = (tmp_path / "paper-table3-iresnet100.md").read_text(encoding="utf-8")
    assert "Mean over LFW." in notes and "The printed mean is over Adience, AgeDB-30" in notes


def test_another_estimator_is_no_comparison(tmp_path):
    table = beside(found(("LFW",), "sface"), tmp_path)
    for number in (2, 3, 4):
        assert why(table, number, column="LFW") == {"no results of ArcFace ResNet-100"}
    assert why(table, 5, column="LFW", method="PreFIQs") == {"no scores of PreFIQs"}
    assert why(table, 5, column="LFW", method="RankIQ") == {""}  # scores that are no estimator's
    assert len(read_table(tmp_path / "paper-table3-sface.csv")) == 36


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[t["verifier"] != "magface"], "not verified by magface"),
        (lambda t: t.assign(threshold="fixed"), "threshold not recomputed"),
        (lambda t: t.assign(fmr=0.0001), "not at FMR 0.001"),
        (lambda t: t.assign(limit=0.2), "pAUC not up to 0.3"),
    ],
)
def test_another_setting_is_no_comparison(tmp_path, change, reason):
    table = beside(changed(found(("LFW",)), change), tmp_path)
    assert why(table, 3, column="LFW") == {reason}
    assert why(table, 2, column="LFW") == {reason}
    assert why(table, 5, column="LFW", verifier="magface") == {reason}


def test_what_was_not_run_of_a_table(tmp_path):
    results = found(("LFW",))
    drifts = results.drifts.assign(ratio=0.2)
    accuracy = results.accuracy.assign(flip_test=False)
    table = beside(Results(results.areas[results.areas["ratio"] != 0.3], drifts, accuracy), tmp_path)
    assert why(table, 3, column="LFW", ratio=0.3) == {"not run"} and why(table, 3, column="LFW", ratio=0.2) == {""}
    assert why(table, 2, column="LFW") == {"not run at ρ = 0.1"}
    assert why(table, 4, column="LFW") == {"run without the flip test"}


def test_a_run_that_is_no_comparison_as_a_whole(tmp_path):
    table = beside(found(("LFW",)), tmp_path, not_comparable="the weights are not trained")
    for number in (2, 3, 4, 5):
        assert why(table, number) == {"the weights are not trained"}
    assert why(table, 1, method="PreFIQs (Ours)") == {""}


def test_score_files_may_spell_a_method_otherwise(tmp_path):
    results = found(("LFW",))
    areas = results.areas.replace({"method": {"CR-FIQA(L)": "CRFIQAL"}})
    ours = areas["label"] == "SER-FIQ"  # on another network than the paper's, though it is called the same
    areas = areas.assign(
        method=areas["method"].mask(ours, "ser-fiq"), network=areas["network"].mask(ours, "iresnet100")
    )
    table = beside(Results(areas, results.drifts, results.accuracy), tmp_path)
    assert why(table, 5, column="LFW", method="CR-FIQA(L)") == {""}
    assert why(table, 5, column="LFW", method="SER-FIQ") == {"no scores of SER-FIQ"}
    rows = [row[0] for row in markdown_rows(tmp_path, "paper-table5-iresnet100")]
    assert rows[7] == "CR-FIQA(L) †" and rows[3 + 14] == "SER-FIQ"


def test_a_run_that_has_nothing(tmp_path):
    results = found()
    nothing = [pd.DataFrame(columns=list(table)) for table in (results.areas, results.drifts, results.accuracy)]
    table = beside(Results(*nothing), tmp_path)
    assert why(table, 5, column="LFW") == {"no results on LFW"}
    assert {path.stem for path in tmp_path.iterdir()} == {"paper-table1", "companion"}


# --- our numbers -------------------------------------------------------------------------------------------------


@pytest.fixture
def small():
    """Two benchmarks of the paper and one of ours, two verifiers, two FMRs, both conventions, random numbers."""
    rng = np.random.default_rng(7)
    specs = [("unstructured", "l1", 0.4), ("unstructured", "l1", 0.8), ("structured", "l1", 0.4)]
    methods = [("prefiqs", "sface", "unsupervised", *spec) for spec in specs]
    methods += [("norm", "sface", "unsupervised", None, None, None), ("ex-fiqa", "vit", "supervised", None, None, None),
                ("severity", None, "oracle", None, None, None)]  # fmt: skip
    settings = product(("LFW", "XQLFW", "orl"), ("sface", "magface"), methods, (1e-3, 1e-4), ("recomputed", "fixed"))
    rows = [(b, v, *method, fmr, threshold) for b, v, method, fmr, threshold in settings]
    columns = "benchmark verifier method network supervision granularity criterion ratio fmr threshold"
    table = pd.DataFrame(rows, columns=columns.split())
    table = table.assign(estimator="sface", limit=0.3, pauc=rng.integers(1000, 9000, len(table)) / 1000 + 1e-4)
    table = table.assign(
        pauc_low=table["pauc"] - 0.5, pauc_high=table["pauc"] + 0.25, label=table["method"] + " of ours"
    )
    table["key"] = table["method"] + table["ratio"].map("@{:g}".format, na_action="ignore").fillna("")
    return table.assign(reliable=(table["benchmark"] != "orl") | (table["verifier"] != "magface"), constant=False,
                        trained_on=(table["method"] == "ex-fiqa") & (table["benchmark"] == "LFW"),
                        ratio=table["ratio"].astype(float))  # fmt: skip


def tables_of(areas, folder, costs=()):
    results = Results(areas, found().drifts[:0], found().accuracy[:0])
    return made(results, costs, folder)


def test_a_benchmark_may_be_called_as_if_it_were_the_end_of_an_interval(small, tmp_path):
    tables_of(small, tmp_path / "usual")
    tables_of(small.replace({"benchmark": {"orl": "LFW_low"}}), tmp_path / "odd")
    for table in ("paper-table3-sface", "paper-table5-sface"):
        usual, odd = (markdown_rows(tmp_path / kind, table) for kind in ("usual", "odd"))
        assert [odd[0], *odd[2:]] == [[c.replace("orl", "LFW_low") for c in row] for row in [usual[0], *usual[2:]]]


def test_table_3_is_the_mean_over_verifiers_and_its_mean_leaves_xqlfw_and_ours_out(small, tmp_path):
    made = tables_of(small, tmp_path)["paper-table3-sface"]
    row = made.frame.set_index("Methods").loc["Structured ρ = 0.4"]
    for column in ("LFW", "XQLFW", "orl"):
        both = small.query(
            "benchmark == @column and granularity == 'structured' and fmr == 0.001 and threshold == 'recomputed'"
        )["pauc"]
        assert len(both) == 2 and row[column] == pytest.approx(both.mean(), rel=1e-9)
    assert row["mean"] == row["LFW"]
    assert list(made.frame.drop(columns=[*made.coarse.values()]))[-2:] == ["mean", "orl"]
    assert "Not in the paper's table: orl." in made.notes
    assert "at a discard fraction up to the limit), so printed with two digits: orl (3 of 6)." in made.notes
    text = made.text().set_index("Methods").loc["Structured ρ = 0.4"]
    assert text["orl"] == f"{row['orl']:.2g}" and text["LFW"] == text["mean"] == f"{row['LFW']:.3f}"
    assert list(made.text()) == ["Methods", "LFW", "XQLFW", "mean", "orl"]
    written = read_table(tmp_path / "paper-table3-sface.csv")
    assert list(written)[4:] == list(made.text()) and not written.isna().all().any(), "what was not run has no column"


def test_a_mean_is_as_coarse_as_what_it_is_a_mean_of(small, tmp_path):
    few = small.assign(reliable=(small["benchmark"] != "LFW") | (small["ratio"] != 0.8))
    text = tables_of(few, tmp_path)["paper-table3-sface"].text().drop_duplicates("Methods").set_index("Methods")
    digits = {method: len(cell.replace(".", "")) for method, cell in text["mean"].items() if cell != "–"}
    assert digits == {"Unstructured ρ = 0.4": 4, "Unstructured ρ = 0.8": 2, "Structured ρ = 0.4": 4,
                      "L1 magnitude ρ = 0.4": 4, "L1 magnitude ρ = 0.8": 2}  # fmt: skip


def test_networks_that_embed_all_faces_alike_are_named_below_tables_3_and_4(small, tmp_path):
    broken = small.assign(constant=(small["granularity"] == "structured") & (small["benchmark"] == "orl"))
    words = (
        "Pruned until all faces have (nearly) the same embedding, or so little that no embedding changes (random "
        "order): structured L1, ρ = 0.4."
    )
    assert words in tables_of(broken, tmp_path)["paper-table3-sface"].notes
    assert "same embedding" not in tables_of(small, tmp_path)["paper-table3-sface"].notes
    elsewhere = broken.assign(criterion=broken["criterion"].mask(broken["granularity"] == "structured", "random"))
    table = tables_of(elsewhere, tmp_path)["paper-table3-sface"]  # the paper's has no structured random pruning
    assert "same embedding" not in table.notes and not table.text()["Methods"].str.startswith("Structured").any()
    accuracy = found().accuracy
    of_random = (accuracy["criterion"] == "random") & (accuracy["ratio"] > 0.6)
    results = Results(small, found().drifts[:0], accuracy.assign(constant=of_random))
    notes = made(results, (), tmp_path)["paper-table4-iresnet100"].notes
    assert "(nearly) the same embedding: unstructured random, ρ = 0.7, 0.9." in notes


def test_a_cell_that_lacks_a_verifier_is_missing_and_so_is_its_mean(small, tmp_path):
    lost = (small["granularity"] == "structured") & (small["verifier"] == "magface") & (small["benchmark"] == "LFW")
    made = tables_of(small[~lost], tmp_path)["paper-table3-sface"].frame.set_index("Methods")
    assert made.loc["Structured ρ = 0.4", ["LFW", "mean"]].isna().all()
    assert made.loc["Unstructured ρ = 0.4", ["LFW", "mean"]].notna().all()


def test_table_5_of_a_run_has_our_methods_with_intervals_and_a_sign(small, tmp_path):
    made = tables_of(small, tmp_path)["paper-table5-sface"]
    rows = [row for row in markdown_rows(tmp_path, "paper-table5-sface") if row[0]]
    assert [row[0] for row in rows[2:]] == [
        *("**MagFace**", "PreFIQs", "norm of ours", "ex-fiqa of ours †"),  # no bound, and one ratio of PreFIQs
        *("**sface**", "PreFIQs", "norm of ours", "ex-fiqa of ours †"),
    ]
    row = made.frame.iloc[0]
    assert f"{row['LFW']:.3f}" in rows[3][1] and f"[{row['LFW low']:.2f}, {row['LFW high']:.2f}]" in rows[3][1]
    signed = [(row[0], place) for row in rows for place, cell in enumerate(row) if "§" in cell]
    assert signed == [("ex-fiqa of ours †", 1)] * 2  # LFW only
    assert "§ Trained or chosen on these images, or on images degraded like them." in made.notes
    assert "§" not in (tmp_path / "paper-table5-sface.csv").read_text(encoding="utf-8")


def test_a_pruned_network_stands_in_table_5_at_the_ratio_asked_for(small, tmp_path):
    results = Results(small, found().drifts[:0], found().accuracy[:0])
    table5 = made(results, [], tmp_path, ratio=0.8)["paper-table5-sface"].frame
    expected = small.query("ratio == 0.8 and benchmark == 'orl' and verifier == 'magface' and fmr == 0.001")
    expected = expected.query("threshold == 'recomputed'")["pauc"].item()
    assert table5.loc[table5["Methods"] == "PreFIQs", "orl"].iloc[0] == expected


def test_scores_of_ours_that_are_a_method_of_the_paper(small, tmp_path):
    magface = small[small["method"] == "norm"].assign(network="magface", estimator="magface", key="norm@magface")
    made = tables_of(pd.concat([small, magface], ignore_index=True), tmp_path)["paper-table5-sface"].frame
    assert made["Methods"].tolist()[:4] == ["MagFace †", "PreFIQs", "norm of ours", "ex-fiqa of ours †"]


def test_table_1_has_times_in_words_but_not_in_the_csv(small, tmp_path):
    costs = [
        {"label": "PreFIQs", "method": "prefiqs", "network": "sface", "milliseconds": 10.123, "plain passes": 2.0246},
        {"label": "exits", "method": "ex-fiqa", "network": "vit", "milliseconds": 3.3, "plain passes": 1.1},
        {"label": "Jacobian", "method": "jacobian", "network": "sface", "milliseconds": 9.0, "plain passes": 3.0},
        {"label": "qualityface", "method": "quality-network", "network": "qualityface"} | TIMES,
        {"label": "cr-fiqa-l", "method": "quality-network", "network": "cr-fiqa-l"} | TIMES,
    ]
    tables_of(small, tmp_path, costs)
    rows = {row[0]: row[1:] for row in markdown_rows(tmp_path, "paper-table1")}
    assert rows["PreFIQs"] == [*"✗✗✗✗20", *"–––", "sface", "10.12", "2.02"]
    assert rows["exits"] == [*"✗✗✓✓10", *"–––", "vit", "3.30", "1.10"]
    assert rows["Jacobian"][4:6] == ["–", "–"]  # its tangent is no pass
    assert rows["qualityface"][:4] == [*"✓✗✓✗"]  # quality labels and training, as PCNet
    assert rows["cr-fiqa-l"][:4] == rows["CR-FIQA"][:4] == [*"✗✗✓✓"]
    assert rows["SER-FIQ"][4:6] == ["100", "0"]
    assert list(read_table(tmp_path / "paper-table1.csv"))[-1] == "network"


def test_the_names_of_benchmarks():
    assert [paper_name(name) for name in ("cfp_fp", "cfp-ff", "ijbc", "IJB-C", "agedb_30", "orl-xq")] == [
        "CFP-FP", "CFP-FF", "IJB-C", "IJB-C", "AgeDB-30", "orl-xq",
    ]  # fmt: skip
