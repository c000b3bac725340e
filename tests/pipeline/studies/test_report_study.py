"""The paper's tables and the report collect what the stages wrote, and nothing else."""

import json
import re
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from itertools import dropwhile, product, takewhile

import pandas as pd
import pytest
import yaml
from small_run import ROOT, SMALL, small_run, write_derivatives, write_embeddings, write_method_scores, write_scores

from prefiqs.io.tables import write_table
from prefiqs.models.registry import MODELS
from prefiqs.pipeline.params import Params, overlaid, read_yaml
from prefiqs.pipeline.publish import NOT_PUBLISHED
from prefiqs.pipeline.studies.edc import edc_study
from prefiqs.pipeline.studies.jacobian import jacobian_study
from prefiqs.pipeline.studies.paper import paper_study
from prefiqs.pipeline.studies.report import _areas, _ratios_table, _verifiers_table, report
from prefiqs.pipeline.studies.verification import verification_study

MORE = {"name": "orl-all", "source": "orl-xq", "across": "source", "impostors": 1300, "seed": 4}
TRANSFORMER = {
    "pauc": {"ViTNT-FIQA": {"sface": 30.0}, "EX-FIQA-FW": {"sface": 50.0}},
    "pauc_random_mean": {"sface": 40.0},
    "random_orders": 20,
    "random_orders_beaten": {"ViTNT-FIQA": {"sface": 20}, "EX-FIQA-FW": {"sface": 3}},
    "unreliable": [],
    "points": {"EX-FIQA": {"best": "exit 3", "recommended": "exit 2"}},
    "gflops": {"EX-FIQA": 1.0, "all": 4.0},
    "seen": True,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose stages edc, verification and jacobian have run, and that has numbers of a transformer."""
    root, changes = tmp_path_factory.mktemp("run"), {"verification": {"flip_test": []}}
    changes |= {
        "benchmarks": {"paired": ["orl", "orl-xq"], "pair_sets": [MORE]},
        "report": {"claims": ["orl-xq", "orl-all"]},
    }
    run = small_run(root, changes)
    (root / "params.yaml").write_text(
        yaml.safe_dump(overlaid(overlaid(read_yaml(ROOT / "params.yaml"), SMALL), changes))
    )
    shutil.copy(ROOT / "dvc.yaml", root)
    shutil.copytree(ROOT / "data" / "paper", root / "data" / "paper")
    for benchmark in ("orl", "orl-xq"):
        write_embeddings(run, benchmark, "sface")
        write_embeddings(run, benchmark, "mobilefacenet-512", [])
        write_scores(run, benchmark)
        write_method_scores(run, benchmark)
        for stage, study in (("edc", edc_study), ("verification", verification_study)):
            study(run, benchmark, "sface").write(run.layout.results(stage, benchmark, "sface"))
    edc_study(run, "orl-all", "sface").write(run.layout.results("edc", "orl-all", "sface"))
    write_derivatives(run, "orl-xq")
    jacobian_study(run, "orl-xq", "sface").write(run.layout.results("jacobian", "orl-xq", "sface"))
    for item, numbers in {
        ("transformer", "orl-xq", "vit-prefiqs"): TRANSFORMER,
        ("align", "orl"): {"images": 2400, "by_fiducials": 7},
    }.items():
        folder = run.layout.results(*item)
        folder.mkdir(parents=True)
        (folder / "numbers.json").write_text(json.dumps(numbers))
    costs = {"label": "PreFIQs", "method": "prefiqs", "network": "sface", "milliseconds": 6.0, "plain passes": 2.0}
    write_table(pd.DataFrame([costs]), run.layout.results("cost") / "costs.csv")
    return run


def test_the_page_shows_what_there_is(run, tmp_path):
    found = report(run)
    found.write(tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    figures = {path.relative_to(run.layout.data / "results").as_posix() for path in run.layout.data.rglob("*.png")}
    assert set(re.findall(r"!\[.*\]\((.*)\)", page)) == {
        path for path in figures if path.startswith(("edc", "ver", "jac"))
    }
    lines = page.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("!["):
            assert lines[at + 1] == "" and re.fullmatch(r"\*[^*{}]+\.\*", lines[at + 2])  # a caption
    for link in re.findall(r"\]\(([^)]*\.(?:md|csv))\)", page):
        assert not any(fnmatch(link.rpartition("/")[2], pattern) for pattern in NOT_PUBLISHED)
        places = run.layout.data / "results", ROOT / "reports" / "default"  # documents are reached from there
        assert any((place / link).is_file() for place in places) or link.startswith(("paper/", "claims.md"))
    assert "The faces and scores of orl-xq with other pairs: all genuine pairs, and" in page
    assert "1,300 impostor pairs drawn at random." in page
    assert {"orl-xq", "orl-all"} == set(found.claims.frame["benchmark"])
    for benchmark in ("orl", "orl-xq", "orl-all"):
        edc = json.loads((run.layout.results("edc", benchmark, "sface") / "numbers.json").read_text())
        assert found.metrics[f"{benchmark}.sface.pauc"] == edc["pauc_best"]["sface"]
        assert found.numbers[f"edc-{benchmark}-sface"] == edc
    assert "{" not in page and "\n\n\n" not in page
    judged = page.partition("\n## ")[2].replace("|", "||")
    for verdict in ("yes", "no", "undecided"):
        cells = re.findall(rf"\| +{verdict} +(?=\|)", judged)
        assert len(cells) == (found.claims.frame["verdict"] == verdict).sum()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("README.md", "claims.csv", "claims.md", "metrics.json", "numbers.json"),
    }


def cells_of(text, heading):
    """The cells of each row of the table whose first column has this heading."""
    lines = dropwhile(lambda line: not line.startswith(f"| {heading} "), text.splitlines())
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in takewhile(lambda line: line[:1] == "|", lines)]
    return rows[2:]


def first_areas(run, benchmark):
    areas = pd.read_csv(run.layout.results("edc", benchmark, "sface") / "areas.csv")
    return areas[(areas["fmr"] == 0.1) & (areas["threshold"] == "recomputed")]


def test_the_page_begins_with_prefiqs_against_the_norm(run):
    head = report(run).text.partition("\n## ")[0]
    counts = {}
    for benchmark in ("orl", "orl-xq", "orl-all"):
        areas = first_areas(run, benchmark).set_index("verifier")
        usual = areas[areas["key"] == "prefiqs@sface,criterion=l1,granularity=unstructured,ratio=0.4"]
        change = usual["pauc"] - areas.loc[areas["method"] == "norm", "pauc"]
        edc = json.loads((run.layout.results("edc", benchmark, "sface") / "numbers.json").read_text())
        for verifier, (best, low, high) in edc["difference_to_norm"].items():
            protocol = "same-model" if verifier == "sface" else "cross-model"
            kind = "no" if verifier in edc["unreliable"] else "yes", protocol
            ends = usual.loc[verifier, ["from_norm_low", "from_norm_high"]]
            for at, d, (left, right) in (("ρ = 0.4", change[verifier], ends), ("its best ρ", best, (low, high))):
                counted = counts.setdefault((at, *kind), [0] * 5)
                for place, true in enumerate((True, d > 0, left > 0, d < 0, right < 0)):
                    counted[place] += true
    assert {tuple(row[:3]): [*map(int, row[3:])] for row in cells_of(head, "PreFIQs at")} == counts
    for at in ("ρ = 0.4", "its best ρ"):
        n, worse, above, better, below = map(sum, zip(*(counts[k] for k in counts if k[0] == at), strict=True))
        assert (
            f"* At {at}, the pAUC of PreFIQs is larger than that of the embedding norm in {worse} of {n} combinations "
            f"of pairs, estimator and verifier ({above} intervals exclude 0), and smaller in {better} ({below} "
            "intervals exclude 0)."
        ) in head
    assert "* 7 of the 2,400 photos of orl were aligned by the fiducial points of the data set" in head


@pytest.mark.parametrize(("count", "said"), [(0, ""), (1, "* 1 of the 2,400 photos of orl was aligned by")])
def test_photos_aligned_by_fiducials_are_named_if_there_are_any(run, count, said):
    path = run.layout.results("align", "orl") / "numbers.json"
    before = path.read_text()
    path.write_text(json.dumps({"images": 2400, "by_fiducials": count}))
    text = report(run).text
    path.write_text(before)
    assert said in text if said else "fiducial" not in text


def test_the_papers_tables_are_listed_by_number_and_estimator(run):
    folder = run.layout.results("paper")
    folder.mkdir(exist_ok=True)
    for name in ("paper-table1", "paper-table3-a", "paper-table3-b"):
        (folder / f"{name}.csv").touch()
    text = report(run).text
    shutil.rmtree(folder)
    assert "\n* Table 1: [all methods](paper/paper-table1.csv)\n* Table 3: [a](paper/paper-table3-a.csv), [b](" in text


def test_the_page_says_where_the_valley_lies(run):
    (row,) = cells_of(report(run).text, "estimator")
    assert row[0] == "sface"
    for cell, benchmark in zip(row[1:], ("orl", "orl-all"), strict=True):  # which has more pairs than orl-xq
        areas = first_areas(run, benchmark).query("granularity == 'unstructured' and criterion == 'l1'")
        means = areas[~areas["constant"]].groupby("ratio")["pauc"].mean()
        near = means[means <= 1.1 * means.min()]
        assert cell == ", ".join(f"**{r:g}**" if r == means.idxmin() else f"{r:g}" for r in near.index)


def test_one_ratio_is_not_the_best_of_several(run):
    several = report(run).text
    before = {path: path.read_text() for path in (run.layout.data / "results" / "edc").rglob("numbers.json")}
    for path, text in before.items():
        path.write_text(json.dumps(json.loads(text) | {"excess": {"0.4": [0, 0, 0]}}))
    one = report(run).text
    for path, text in before.items():
        path.write_text(text)
    for words in ("its best ρ", "those at the best ρ", "Ratios ρ at which", "many of the differences between"):
        assert words in several and words not in one
    assert "* At ρ = 0.4, the pAUC of PreFIQs is larger" in one and "\n\n\n" not in one


def test_the_valley_is_that_of_prefiqs_with_the_estimator(run):
    """Other methods may have the options of a pruned network, and PreFIQs may be compared on another network."""
    areas = _areas(run)
    for of, pauc in product(("method", "network"), (1e6 * areas["ratio"], 1e6 / areas["ratio"])):
        other = areas.assign(pauc=pauc, **{of: "another"})
        assert _ratios_table(run, pd.concat([areas, other])) == _ratios_table(run, areas)


def test_methods_that_are_no_better_than_chance_are_named(run):
    text = report(run).text
    for benchmark in ("orl", "orl-xq", "orl-all"):
        areas = first_areas(run, benchmark)
        areas = areas[areas["granularity"].isna() & (areas["label"] != "true severity")]
        better = set(areas.loc[areas["pauc"] < areas["random_low"], "label"])
        section = text.partition(f"## {benchmark}, quality from sface")[2].partition("\n## ")[0]
        said = re.search(r"No better than the best of 3 random orders .*: (.*)\.", section)
        named = set(re.findall(r"(?:^|, )(.*?) \([\d.]+\)(?=, |$)", said[1])) if said else set()
        assert named == set(areas["label"]) - better


def test_accuracies_stand_beside_expected_ones(run, monkeypatch):
    assert "expected (%)" not in report(run).text
    monkeypatch.setitem(MODELS, "sface", replace(MODELS["sface"], accuracy={"orl": 91.2}))
    text, rows = report(run).text.partition("## Verification accuracy\n")[2], []
    for benchmark, expected in (("orl", "91.20"), ("orl-xq", "–")):
        folder = run.layout.results("verification", benchmark, "sface")
        table, numbers = pd.read_csv(folder / "table4.csv"), json.loads((folder / "numbers.json").read_text())
        accuracy = table.loc[table["ratio"] == 0, "accuracy"].item()
        rows.append([benchmark, "sface", str(numbers["pairs"]), f"{accuracy:.2f}", expected])
    assert cells_of(text, "benchmark") == rows


def test_what_the_parameters_no_longer_name_is_not_shown(run, tmp_path):
    """The folders of the stages are still there, as DVC leaves them."""
    before = report(run)
    gone = {"benchmarks": {"paired": ["orl-xq"], "pair_sets": []}, "jacobian": {"benchmarks": []}}
    gone |= {"verification": {"benchmarks": []}, "candidates": {"benchmarks": []}, "methods": {"compared": []}}
    gone |= {"report": {"claims": ["orl-xq"], "labelled": []}, "transformer": {"benchmarks": []}}
    content = overlaid(run.params.model_dump(), gone)
    report(replace(run, params=Params.checked(content))).write(tmp_path)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert set(before.numbers) - set(numbers) == {
        *("edc-orl-sface", "edc-orl-all-sface", "jacobian-orl-xq-sface", "transformer-orl-xq-vit-prefiqs"),
        *("verification-orl-sface", "verification-orl-xq-sface"),
    }
    for trace in ("jacobian/", "verification/", "Verification accuracy", "transformer", "orl-all", "edc/orl/"):
        assert trace in before.text and trace not in page
    assert run.layout.results("jacobian", "orl-xq", "sface").is_dir()


def test_the_random_order_does_not_compete_with_the_transformers_methods(run):
    lines = report(run).text.splitlines()
    row = {
        name: next(line for line in lines if f"| {name} " in line) for name in [*TRANSFORMER["pauc"], "random order"]
    }
    assert "**30.00**" in row["ViTNT-FIQA"] and "*50.00*" in row["EX-FIQA-FW"] and "*" not in row["random order"]
    assert [name for name, line in row.items() if " § |" in line] == [*TRANSFORMER["pauc"]]  # not the random order
    text = "\n".join(lines)
    assert "The area of ViTNT-FIQA is smaller than those of 20 of 20 random orders with sface." in text
    assert "The area of EX-FIQA-FW is smaller than those of 3 of 20 random orders with sface." in text
    assert "exit 3; exit 2 (25% of a forward pass) cannot be distinguished from it." in text
    assert "§ The network was trained on images of this benchmark, or on images degraded like them." in text


def test_areas_on_few_errors_have_two_digits_on_the_page(run):
    """On `orl`, hardly a pair is rejected; on `orl-xq`, some are."""
    found = report(run)
    few, enough = found.numbers["edc-orl-sface"], found.numbers["edc-orl-xq-sface"]
    assert few["unreliable"] == ["sface", "mobilefacenet-512"]
    assert "so printed with two digits: sface, mobilefacenet-512." in found.text
    table = _verifiers_table(enough | {"unreliable": ["mobilefacenet-512"]}, "b", 0.1)
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if "|" in line}
    for verifier, digits in (("sface", ".2f"), ("mobilefacenet-512", ".2g")):
        for area in ("pauc_norm", "pauc_random_mean", "pauc_severity"):
            assert f" {enough[area][verifier]:{digits}} |" in rows[verifier]


def test_the_papers_tables_of_a_run(run, tmp_path):
    study = paper_study(run)
    study.write(tmp_path)
    assert {path.suffix for path in tmp_path.glob("paper-table4-sface.*")} == {".csv", ".md", ".tex"}
    assert (tmp_path / "edc-grid-sface.png").is_file() and not (tmp_path / "companion.tex").exists()
    accuracy = pd.read_csv(run.layout.results("verification", "orl", "sface") / "table4.csv")
    found = study.tables["paper-table4-sface"].frame
    assert (
        found.loc[found["Methods"] == "Unpruned", "orl"].iloc[0]
        == accuracy.loc[accuracy["ratio"] == 0, "accuracy"].item()
    )
    comparable = study.comparable.set_index("table")
    assert comparable.loc["Table 5", ["printed", "comparable"]].tolist() == [540, 0]
    assert study.findings[-1] == f"Table 5: 0 of 540. Most frequent reason: {comparable.loc['Table 5', 'reason']}."
    assert comparable.loc["Table 4", "reason"] == "no results on LFW"
    assert comparable["printed"].sum() == len(pd.read_csv(ROOT / "data" / "paper" / "printed.csv"))


def test_tables_of_a_run_without_derivatives_and_accuracies(run):
    content = run.params.model_dump()
    for block in ("jacobian", "verification"):
        content[block]["benchmarks"] = []
    content["verification"]["flip_test"] = content["report"]["labelled"] = []
    tables = paper_study(replace(run, params=Params.checked(content))).tables
    assert set(tables) == {"paper-table1", "companion"}  # the areas of this run are at other FMR
