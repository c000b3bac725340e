"""The paper's tables: what is printed, our numbers in the same layout, and when the two may stand side by side."""

import shutil
import subprocess
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefiqs.errors import InputError
from prefiqs.io.tables import read_table
from prefiqs.reporting.cells import Layout
from prefiqs.reporting.paper.comparison import comparison_table, measured_overview, overview, supervision_of
from prefiqs.reporting.paper.files import write_paper_tables
from prefiqs.reporting.paper.printed import accuracy_companion, comparison_companion, drift_companion, pruning_companion
from prefiqs.reporting.paper.pruning import accuracy_table, drift_table, pruning_table
from prefiqs.reporting.paper.results import collect, paper_name
from prefiqs.reporting.tables import write_table_files

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
OURS = {name: name.lower().replace("-", "_") for name in [*EIGHT, "CFP-FF"]}


@cache
def printed(name):
    return pd.read_csv(PAPER / f"{name}.csv", keep_default_na=False)


# --- what is printed ---------------------------------------------------------------------------------------------


def means_that_do_not_fit(table, benchmarks, mean, tolerance):
    distance = (table[benchmarks].mean(axis=1) - table[mean]).abs()
    return table[distance > tolerance + 1e-9]


def test_five_of_the_sixty_printed_means_of_table_5_are_not_those_of_their_row():
    table = printed("table5_sota_pauc")
    assert len(table) == 60
    # values and mean are rounded to three digits each, so up to 0.001 is rounding
    wrong = means_that_do_not_fit(table, [b for b in EIGHT if b != "XQLFW"], "mean_pauc", 0.001)
    assert list(zip(wrong["fr_model"], wrong["method"], strict=True)) == [
        ("ArcFace", "DifFIQA(R)"),
        ("ArcFace", "eDifFIQA(L)"),
        ("ArcFace", "FROQ"),
        ("ArcFace", "SER-FIQ"),
        ("ElasticFace", "ViT-FIQA(T)"),
    ]


@pytest.mark.parametrize(
    ("name", "benchmarks", "mean", "tolerance"),
    [
        ("table2_jacobian", SEVEN[:-1], "mean_pauc", 0.001),
        ("table3_pruning_pauc", SEVEN[:-1], "mean_pauc", 0.001),
        ("table4_verification_accuracy", SIX, "mean_accuracy", 0.01),
    ],
)
def test_all_other_printed_means_are_those_of_their_row(name, benchmarks, mean, tolerance):
    assert means_that_do_not_fit(printed(name), benchmarks, mean, tolerance).empty


def test_table_2_and_table_3_differ_in_the_row_that_they_share():
    drift = printed("table2_jacobian").set_index("drift").loc["discrete", SEVEN]
    pruned = printed("table3_pruning_pauc").iloc[0][SEVEN]
    assert (drift != pruned).all()


def test_table_3_at_the_ratio_of_table_5_is_its_mean_over_the_fr_models():
    ours = printed("table5_sota_pauc").query("method == 'PreFIQs'")[SEVEN].mean()
    at_04 = printed("table3_pruning_pauc").query("granularity == 'unstructured' and criterion == 'l1' and rho == 0.4")
    assert np.allclose(at_04[SEVEN].iloc[0].astype(float), ours, rtol=0, atol=0.001)


# --- a run that found exactly what is printed --------------------------------------------------------------------


@cache
def areas_of(benchmark):
    """What notebook 10 would write for one benchmark if every number were the printed one."""
    methods = printed("table5_sota_pauc")
    own = {fr_model: verifier for verifier, fr_model in FR_MODELS.items()}
    compared = pd.DataFrame({"verifier": methods["fr_model"].map(own), "method": methods["method"]})
    compared = compared.replace({"PreFIQs": "unstructured-l1-0.4"}).assign(pauc=methods[benchmark])
    if benchmark == "IJB-C":
        table = compared
    else:
        strategies = printed("table3_pruning_pauc")
        parts = (strategies["granularity"], strategies["criterion"], strategies["rho"].map("{:g}".format))
        pruned = pd.DataFrame(
            {"method": ["-".join(p) for p in zip(*parts, strict=True)], "pauc": strategies[benchmark]}
        )
        pruned = pruned[pruned["method"] != "unstructured-l1-0.4"]
        table = pd.concat([compared, pruned.merge(pd.Series(list(FR_MODELS), name="verifier"), how="cross")])
    return table.assign(fmr=0.001, fnmr=0.1, auc=3 * table["pauc"], reliable=True)


def write_run(reports, benchmarks, model="iresnet100", change=lambda table: table):
    (reports / "tables").mkdir(parents=True, exist_ok=True)
    (reports / "numbers").mkdir(exist_ok=True)
    for name in benchmarks:
        if name in EIGHT:
            change(areas_of(name)).to_csv(reports / "tables" / f"areas-{OURS[name]}-{model}.csv", index=False)
        if name in SEVEN:
            drifts = ["Jacobian drift (eq. 9)", "discrete drift (eq. 4)"]
            table = pd.DataFrame({"method": drifts, "pauc": printed("table2_jacobian")[name]})
            verified = table.merge(pd.Series(list(FR_MODELS), name="verifier"), how="cross").assign(fmr=0.001)
            change(verified).to_csv(reports / "tables" / f"table2-{OURS[name]}-{model}.csv", index=False)
            (reports / "numbers" / f"jacobian-{OURS[name]}-{model}.json").write_text('{"ratio": 0.1}')
        if name in SIX:
            table = printed("table4_verification_accuracy")
            strategy = (table["granularity"] + " " + table["criterion"]).replace("none none", "unpruned")
            accuracy = {"strategy": strategy, "ratio": table["rho"], "accuracy": table[name], "std": 0.5}
            pd.DataFrame(accuracy).to_csv(reports / "tables" / f"table4-{OURS[name]}-{model}.csv", index=False)
            (reports / "numbers" / f"verification-{OURS[name]}-{model}.json").write_text('{"flip_test": true}')
    return reports


def read(reports, models=("iresnet100",), benchmarks=(*EIGHT, "CFP-FF")):
    return collect(reports, [OURS.get(name, name) for name in benchmarks], models)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    reports = write_run(tmp_path_factory.mktemp("complete"), OURS)
    return (
        read(reports),
        write_paper_tables(read(reports), {"prefiqs": (2, 0)}, reports / "out", printed=PAPER),
        reports,
    )


def test_companions_of_a_run_that_found_what_is_printed(complete):
    _, written, reports = complete
    for number, cells in {2: 2 * 8, 3: 36 * 8, 4: 22 * 7, 5: 60 * 9}.items():
        beside = read_table(reports / "out" / f"paper-table{number}-companion.csv")
        assert len(beside) == cells and beside["ours"].notna().all() and beside["why"].isna().all()
        away = beside[beside["difference"].abs() > (0.011 if number == 4 else 0.0011)]
        assert len(away) == (5 if number == 5 else 0) and (away["column"] == "mean").all()
        assert np.allclose(beside["ours"] - beside["printed"], beside["difference"], atol=1e-8)
    assert (reports / "out" / "paper-table5-companion.md").is_file()
    assert not (reports / "out" / "paper-table5-companion.tex").exists()


def test_second_best_of_table_3_as_the_paper_marks_it(complete):
    text = (complete[2] / "out" / "paper-table3-iresnet100.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if " ρ = " in line[:40]]
    assert len(rows) == 36
    second = {cell.strip("*") for row in rows for cell in row[1:8] if cell.startswith("*") and cell[1] != "*"}
    assert second == {"9.797", "6.867", "3.759", "0.752", "20.722", "20.442", "136.922"}
    best_means = [row[0] for row in rows if row[8].startswith("**")]  # per strategy: the shaded cells of the paper
    assert best_means == ["Unstructured ρ = 0.4", "Structured ρ = 0.1", "L1 magnitude ρ = 0.4", "Random ρ = 0.1"]


def test_table_5_has_the_blocks_rows_and_columns_of_the_paper(complete):
    shown = complete[1]["paper-table5-iresnet100"]
    order = printed("table5_sota_pauc")
    assert list(zip(shown["block"], shown["row"], strict=True)) == [
        *zip(order["fr_model"], order["method"], strict=True)
    ]
    assert list(shown)[4:] == ["Methods", *EIGHT, "mean"]
    methods = dict(zip(shown["row"], shown["Methods"], strict=True))
    assert [methods[m] for m in ("CR-FIQA(L)", "FROQ", "PreFIQs")] == ["CR-FIQA(L) †", "FROQ ‡", "PreFIQs"]
    text = (complete[2] / "out" / "paper-table5-iresnet100.md").read_text(encoding="utf-8").splitlines()
    arcface = [line.split("|") for line in text[text.index(next(t for t in text if "**ArcFace**" in t)) + 1 :][:15]]
    marked = {row[1].strip(): row[10].strip() for row in arcface if "*" in row[10]}
    assert marked == {  # the mean, among supervised and among unsupervised methods
        "eDifFIQA(L) †": "**9.813**",
        "CR-FIQA(L) †": "*10.124*",
        "PreFIQs": "**10.070**",
        "SER-FIQ": "*10.561*",
    }


def test_table_1_is_printed_and_compared_by_its_passes(complete):
    table = overview(PAPER).table
    assert len(table) == 13 and list(table)[5:7] == ["Feed forward", "Backwards"]
    beside = complete[1]["paper-table1-companion"].set_index(["row", "column"])
    assert beside.loc[("PreFIQs (Ours)", "feed forward"), ["printed", "ours"]].tolist() == [2, 2]
    assert set(beside.loc["SER-FIQ", "why"]) == {"not implemented here"} and beside.loc["SER-FIQ", "ours"].isna().all()


# --- why a cell is not compared ----------------------------------------------------------------------------------


COMPANIONS = {2: drift_companion, 3: pruning_companion, 4: accuracy_companion, 5: comparison_companion}


def why(results, number, **cell):
    """The reasons that a companion gives for the cells with these properties."""
    beside = COMPANIONS[number](results, PAPER)
    assert (beside["ours"].notna() == (beside["why"] == "")).all()
    return {row["why"] for row in beside.to_dict("records") if all(row[key] == value for key, value in cell.items())}


def test_a_benchmark_that_is_not_there(tmp_path):
    results = read(write_run(tmp_path, ["LFW", "XQLFW"]))
    assert why(results, 3, column="LFW") == {""}
    assert why(results, 3, column="CALFW") == {"no results on CALFW"}
    assert why(results, 4, column="LFW") == {""}
    assert why(results, 5, column="mean") == {"the mean needs Adience, AgeDB-30, CFP-FP, CALFW, CPLFW, IJB-C"}
    notes = pruning_table(results, "iresnet100").notes
    assert "Mean over LFW alone, 1 of the paper's 6 benchmarks" in notes and "not to be compared" in notes


def test_another_estimator_is_no_comparison(tmp_path):
    results = read(write_run(tmp_path, ["LFW"], "sface"), ["sface"])
    for number in (2, 3, 4):
        assert why(results, number, column="LFW") == {"run with sface, not with ArcFace ResNet-100"}
    assert why(results, 5, column="LFW", row="PreFIQs") == {"run with sface, not with ArcFace ResNet-100"}
    assert why(results, 5, column="LFW", row="RankIQ") == {""}  # scores that are no estimator's
    assert len(pruning_table(results, "sface").table) == 36


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t[t["verifier"] != "magface"], "verified by iresnet100, curricularface, elasticface, not by"),
        (lambda t: t[~t["method"].str.contains("0.3|Jac")], "not run"),
        (lambda t: t.assign(threshold="fixed"), "threshold fixed, not recomputed"),
        (lambda t: t.assign(fmr=0.0001), "FMR 0.0001, not 0.001"),
        (lambda t: t.assign(limit=0.2), "pAUC up to 0.2, not 0.3"),
    ],
)
def test_another_setting_is_no_comparison(tmp_path, change, sentence):
    results = read(write_run(tmp_path, ["LFW"], change=change))
    (reason,) = why(results, 3, column="LFW", row="Unstructured ρ = 0.3")
    assert reason.startswith(sentence)
    (reason,) = why(results, 2, column="LFW", row="Jacobian drift (Eq. 9)")
    assert reason.startswith(sentence)


def test_table_4_needs_the_flip_test_and_table_2_its_ratio(tmp_path):
    reports = write_run(tmp_path, ["LFW"])
    (reports / "numbers" / "verification-lfw-iresnet100.json").write_text('{"flip_test": false}')
    (reports / "numbers" / "jacobian-lfw-iresnet100.json").write_text('{"ratio": 0.2}')
    assert why(read(reports), 4, column="LFW") == {"run without the flip test"}
    assert why(read(reports), 2, column="LFW") == {"run at ρ = 0.2, not 0.1"}


def test_a_run_that_is_no_comparison_as_a_whole(tmp_path):
    results = read(write_run(tmp_path, ["LFW"]))
    beside = write_paper_tables(results, {}, tmp_path, printed=PAPER, apart="weights are not trained")
    for number in (2, 3, 4, 5):
        table = beside[f"paper-table{number}-companion"]
        assert set(table["why"]) == {"weights are not trained"} and table["ours"].isna().all()


def test_score_files_may_spell_a_method_otherwise(tmp_path):
    def respelt(table):
        return table.replace({"CR-FIQA(L)": "CRFIQAL", "SER-FIQ": "ser-fiq"})

    results = read(write_run(tmp_path, ["LFW"], change=respelt))
    assert why(results, 5, column="LFW", row="CR-FIQA(L)") == {""}
    assert why(results, 5, column="LFW", row="SER-FIQ") == {"no scores named SER-FIQ"}  # ours, on another network
    rows = comparison_table(results, PAPER, "iresnet100").table["row"]
    assert rows.iloc[4] == "CR-FIQA(L)" and rows.iloc[14] == "ser-fiq"


def test_a_run_that_has_nothing(tmp_path):
    results = read(tmp_path)
    write_paper_tables(results, {}, tmp_path, printed=PAPER)
    assert why(results, 5, column="LFW") == {"no results on LFW"}
    written = {path.stem for path in tmp_path.glob("*.csv")}
    assert written == {"paper-table1", *(f"paper-table{number}-companion" for number in range(1, 6))}


# --- our numbers -------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """Two benchmarks of the paper and one of ours, two verifiers, two FMRs, both conventions, random numbers."""
    rng = np.random.default_rng(7)
    (tmp_path / "tables").mkdir()
    methods = ["unstructured-l1-0.4", "unstructured-l1-0.8", "structured-l1-0.4", "unstructured-random-0.4", "norm"]
    for benchmark in ("lfw", "xqlfw", "orl"):
        grid = product(["sface", "magface"], [*methods, "true severity"], [1e-3, 1e-4], ["recomputed", "fixed"])
        table = pd.DataFrame(grid, columns=["verifier", "method", "fmr", "threshold"])
        values = {name: rng.integers(1000, 9000, len(table)) / 1000 + 1e-4 for name in ("pauc", "auc", "fnmr")}
        values |= {"pauc_low": values["pauc"] - 0.5, "pauc_high": values["pauc"] + 0.25, "reliable": benchmark != "orl"}
        table.assign(**values).to_csv(tmp_path / "tables" / f"areas-{benchmark}-sface.csv", index=False)
    return tmp_path


def value(folder, benchmark, **cell):
    table = pd.read_csv(folder / "tables" / f"areas-{benchmark}-sface.csv")
    return table[np.logical_and.reduce([table[k] == v for k, v in cell.items()])]


@pytest.mark.parametrize("area", ["pauc", "auc"])
@pytest.mark.parametrize("fmr", [1e-3, 1e-4])
@pytest.mark.parametrize("threshold", ["recomputed", "fixed"])
def test_table_3_is_the_mean_over_verifiers_and_its_mean_leaves_xqlfw_and_ours_out(small, area, fmr, threshold):
    made = pruning_table(read(small, ["sface"], ["lfw", "xqlfw", "orl"]), "sface", fmr, threshold, area)
    row = made.table.set_index("row").loc["Structured ρ = 0.4"]
    for column, benchmark in {"LFW": "lfw", "XQLFW": "xqlfw", "orl": "orl"}.items():
        both = value(small, benchmark, method="structured-l1-0.4", fmr=fmr, threshold=threshold)[area]
        assert len(both) == 2 and row[column] == pytest.approx(both.mean(), rel=1e-9)
    assert row["mean"] == row["LFW"] and np.isnan(row["CALFW"])
    assert list(made.table)[-2:] == ["mean", "orl"] and made.layout.spans == {"orl": "not in the paper's table"}
    assert ("fixed" in made.name, "auc" in made.name, "fmr0.0001" in made.name) == (
        threshold == "fixed",
        area == "auc",
        fmr == 1e-4,
    )
    assert "Fewer than 1/FMR impostor pairs at some point: orl." in made.notes


def test_a_cell_that_lacks_a_verifier_is_missing_and_so_is_its_mean(small):
    file = small / "tables" / "areas-lfw-sface.csv"
    table = pd.read_csv(file)
    table[(table["method"] != "structured-l1-0.4") | (table["verifier"] != "magface")].to_csv(file, index=False)
    made = pruning_table(read(small, ["sface"], ["lfw", "xqlfw"]), "sface").table.set_index("row")
    assert made.loc["Structured ρ = 0.4", ["LFW", "mean"]].isna().all()
    assert made.loc["Unstructured ρ = 0.4", ["LFW", "mean"]].notna().all()


def test_table_5_has_a_block_for_each_verifier_and_a_row_for_each_method(small):
    made = comparison_table(read(small, ["sface"], ["lfw", "xqlfw", "orl"]), PAPER, "sface", 0.8)
    assert list(zip(made.table["block"], made.table["row"], strict=True)) == [
        ("MagFace", "PreFIQs"), ("MagFace", "embedding norm"), ("sface", "PreFIQs"), ("sface", "embedding norm"),
    ]  # fmt: skip
    cell = dict(verifier="magface", method="unstructured-l1-0.8", fmr=1e-3, threshold="recomputed")
    row = made.table.iloc[0]
    expected = value(small, "lfw", **cell).iloc[0]
    assert row[["LFW", "LFW_low", "LFW_high"]].tolist() == pytest.approx(
        expected[["pauc", "pauc_low", "pauc_high"]].tolist()
    )


def test_the_norm_of_magface_is_the_papers_magface(small):
    shutil.copy(small / "tables" / "areas-lfw-sface.csv", small / "tables" / "areas-lfw-magface.csv")
    made = comparison_table(read(small, ["sface", "magface"], ["lfw"]), PAPER, "sface")
    assert made.table["row"].tolist() == ["MagFace", "PreFIQs", "embedding norm"] * 2


def renamed(folder, benchmark, old, new):
    file = folder / "tables" / f"areas-{benchmark}-sface.csv"
    table = pd.read_csv(file)
    table["method"] = table["method"].replace(old, new)
    table.to_csv(file, index=False)


def test_a_method_whose_network_has_seen_a_benchmark_bears_a_sign_there_and_only_there(small):
    renamed(small, "lfw", "norm", "ex-fiqa §")
    renamed(small, "orl", "norm", "ex-fiqa")
    made = comparison_table(read(small, ["sface"], ["lfw", "orl"]), PAPER, "sface")
    made.write(small)
    rows = [r for r in (small / "paper-table5-sface.md").read_text(encoding="utf-8").splitlines() if "| ex-fiqa" in r]
    assert len(rows) == 2  # one a verifier
    for row in rows:
        cells = row.split("|")
        assert cells[1].strip() == "ex-fiqa †"
        assert [i for i, cell in enumerate(cells) if "§" in cell] == [1 + 4]  # method, and LFW as the fourth benchmark
    assert made.notes.endswith("§ The method's network was trained on images of this benchmark.")
    assert "] §" in (small / "paper-table5-sface.md").read_text(encoding="utf-8")
    assert "§" not in (small / "paper-table5-sface.csv").read_text(encoding="utf-8")


def test_methods_of_a_run_are_supervised_as_what_they_are():
    known = {"grafiqs-1": "grafiqs", "small": "ex-fiqa"}
    kinds = {name: supervision_of(name, known) for name in ("grafiqs-1", "small §", "froq", "norm of mine")}
    assert kinds == {
        "grafiqs-1": "unsupervised", "small §": "supervised", "froq": "semi-supervised", "norm of mine": "not stated",
    }  # fmt: skip


def test_table_1_of_a_run_has_times_in_words_but_not_in_the_csv(tmp_path):
    costs = {
        "PreFIQs": {"method": "prefiqs", "model": "sface", "milliseconds": 10.123, "plain": 5.0},
        "exits": {"method": "ex-fiqa", "model": "vit", "milliseconds": 3.3, "plain": 3.0},
    }
    made = measured_overview(costs, {"prefiqs": (2, 0), "ex-fiqa": (1, 0)}, PAPER)
    made.write(tmp_path)
    text = (tmp_path / "paper-table1-ours.md").read_text(encoding="utf-8")
    ours, exits = (next(row for row in text.splitlines() if row.startswith(f"| {name}")) for name in costs)
    assert [cell.strip() for cell in ours.split("|")[2:-1]] == ["sface", *"✗✗✗✗20", "10.12", "2.02"]
    assert [cell.strip() for cell in exits.split("|")[2:-1]] == ["vit", *"✗✗✓✓10", "3.30", "1.10"]
    assert list(read_table(tmp_path / "paper-table1-ours.csv"))[-2:] == ["Feed forward", "Backwards"]


def test_intervals_stand_behind_their_value(small):
    results = read(small, ["sface"], ["lfw", "orl"])
    comparison_table(results, PAPER, "sface").write(small)
    row = comparison_table(results, PAPER, "sface").table.iloc[0]
    limits = f"{row['LFW_low']:.2f}", f"{row['LFW_high']:.2f}"
    markdown = (small / "paper-table5-sface.md").read_text(encoding="utf-8")
    assert f"{row['LFW']:.3f}* [{limits[0]}, {limits[1]}] |" in markdown and "LFW_low" not in markdown
    latex = (small / "paper-table5-sface.tex").read_text(encoding="utf-8")
    assert f"[{limits[0]},\\,{limits[1]}]" in latex and "LFW\\_low" not in latex
    kept = read_table(small / "paper-table5-sface.csv").iloc[0]
    assert kept[["LFW", "LFW_low"]].tolist() == pytest.approx(row[["LFW", "LFW_low"]].tolist(), rel=1e-9)


def test_tables_2_and_4_of_a_run_without_verifiers_and_numbers(tmp_path):
    (tmp_path / "tables").mkdir()
    drifts = {"method": ["Jacobian drift (eq. 9)", "discrete drift (eq. 4)"], "fmr": 0.001, "pauc": [2.0, 3.0]}
    pd.DataFrame(drifts).to_csv(tmp_path / "tables" / "table2-orl-sface.csv", index=False)
    accuracy = {"strategy": ["unpruned", "structured l1"], "ratio": [0, 0.25], "accuracy": [99.5, 80.0], "std": 1.0}
    pd.DataFrame(accuracy).to_csv(tmp_path / "tables" / "table4-orl-sface.csv", index=False)
    results = read(tmp_path, ["sface"], ["orl"])
    made = drift_table(results, "sface")
    assert made.table["orl"].tolist() == [2.0, 3.0] and "FR model sface." in made.notes and "No mean" in made.notes
    made = accuracy_table(results, "sface")
    assert made.table["row"].tolist() == ["Unpruned", "Structured ρ = 0.25", "Unpruned"]
    assert made.table["orl"].tolist() == [99.5, 80.0, 99.5] and "Flip test: none." in made.notes


def test_the_names_of_benchmarks():
    assert [paper_name(name) for name in ("cfp_fp", "cfp-ff", "ijbc", "IJB-C", "agedb_30", "orl-xq")] == [
        "CFP-FP", "CFP-FF", "IJB-C", "IJB-C", "AgeDB-30", "orl-xq",
    ]  # fmt: skip


# --- files -------------------------------------------------------------------------------------------------------


def test_blocks_spans_and_groups_in_a_table(tmp_path):
    table = pd.DataFrame({"part": ["A|1", "A|1", "B", "C"], "name": list("wxyz"), "loss": [2.5, 1.5, 7.5, 8.5]})
    layout = Layout(blocks="part", spans={"loss": "both_sets"}, within={"loss": ["part"]})
    write_table_files(table, "t", tmp_path, "c", {"loss": "min"}, layout=layout)
    lines = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.replace("\\|", "¦").split("|")[1:-1]] for line in lines if line[:1] == "|"]
    assert [*cells[:1], *cells[2:]] == [
        ["name", "both_sets<br>loss"],
        ["**A¦1**", ""], ["w", "*2.500*"], ["x", "**1.500**"],
        ["**B**", ""], ["y", "7.500"],  # alone: nothing to compare with
        ["**C**", ""], ["z", "8.500"],
    ]  # fmt: skip
    latex = (tmp_path / "t.tex").read_text(encoding="utf-8")
    assert "\\toprule\n & \\multicolumn{1}{c}{both\\_sets} \\\\\n\\cmidrule(lr){2-2}\nname & loss \\\\\n" in latex
    assert latex.count("\\multicolumn{2}{c}{") == 3 and latex.count("\\midrule") == 6
    with pytest.raises(InputError, match="layout: expected columns of the table, got absent"):
        write_table_files(table, "t", tmp_path, "c", layout=Layout(hidden=("absent",)))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not on this machine")
def test_every_table_compiles(complete, small):
    folder = complete[2] / "out"
    write_paper_tables(read(small, ["sface"], ["lfw", "xqlfw", "orl"]), {}, folder, printed=PAPER)
    sources = sorted(path.stem for path in folder.glob("*.tex"))
    assert len(sources) > 20
    inputs = "\n".join(f"\\input{{{name}}}\\clearpage" for name in sources)
    document = (
        f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )
    (folder / "all.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "all"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "too large for page" not in done.stdout and "Overfull" not in done.stdout
