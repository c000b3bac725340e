"""What is published is what today's parameters name: nothing stays of what was removed."""

import json
import shutil
from pathlib import Path

import pytest

from prefiqs.errors import InputError
from prefiqs.pipeline.durations import note_duration
from prefiqs.pipeline.params import Params, overlaid, read_yaml, stage_items
from prefiqs.pipeline.publish import publish
from prefiqs.pipeline.run import Layout, Run, open_run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compendium(tmp_path):
    """A folder with the parameters and stages of the compendium, every results folder filled with one file."""
    for name in ("params.yaml", "dvc.yaml", "requirements.lock", ".prefiqs-root"):
        shutil.copy(ROOT / name, tmp_path / name)
    set_params(tmp_path, {"benchmarks": {"paired": ["orl", "orl-xq"]}})
    for item in stage_items(tmp_path):
        if item.results:
            folder = tmp_path / item.results
            folder.mkdir(parents=True)
            (folder / "numbers.json").write_text(json.dumps({"folder": item.results}))
            (folder / "table.csv").write_text("a\n1\n")
            (folder / "01_of_the_stage.ipynb").write_text("{}")
    report = tmp_path / "data" / "report"
    report.mkdir(parents=True)
    (report / "README.md").write_text("# Results\n")
    return tmp_path


def set_params(root: Path, changes: dict) -> Run:
    import yaml

    content = overlaid(read_yaml(root / "params.yaml"), changes)
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    return Run(Layout(root), Params.checked(content))


def test_stages_are_expanded_by_the_parameters(compendium):
    folders = [item.results for item in stage_items(compendium)]
    assert folders.count("data/results/edc/orl/sface") == 1 and "data/results/degrade/orl-xq" in folders
    of_methods = [f for f in folders if f and f.startswith("data/results/method/")]
    assert len(of_methods) == 2 * len(read_yaml(compendium / "params.yaml")["methods"]["compared"])
    assert not any(f and "ablation" in f for f in folders), "no benchmark asks for an ablation"


def test_a_removed_benchmark_leaves_no_trace(compendium):
    run = open_run(compendium)
    first = publish(run)
    assert (first / "edc" / "orl" / "sface" / "table.csv").is_file()
    (first / "edc" / "leftover.txt").write_text("of a former run")
    changed = set_params(
        compendium,
        {
            "benchmarks": {"all": ["orl", "orl-xq"], "paired": ["orl-xq"]},
            "verification": {"benchmarks": ["orl-xq"]},
            "methods": {"compared": ["ex-fiqa"]},
        },
    )
    second = publish(changed)
    assert second == first
    names = {p.relative_to(second).as_posix() for p in second.rglob("*") if p.is_file()}
    assert not any("edc/orl/" in n or "method/orl/" in n or "vitnt" in n or "leftover" in n for n in names)
    assert {"edc/orl-xq/sface/table.csv", "method/orl-xq/ex-fiqa/01_of_the_stage.ipynb", "manifest.json"} <= names


def test_notebooks_may_stay_out_and_numbers_are_published_once(compendium):
    (compendium / "data" / "report" / "numbers.json").write_text("{}")
    folder = publish(set_params(compendium, {"report": {"notebooks": False}}))
    assert [path.parent for path in folder.rglob("numbers.json")] == [folder]
    assert not list(folder.rglob("*.ipynb")) and list(folder.rglob("table.csv"))


def test_links_lead_to_the_executed_copy_of_the_item_or_to_the_notebook_itself(compendium):
    (compendium / "notebooks").mkdir()
    for name in ("13_edc", "18_ablation"):
        (compendium / "notebooks" / f"{name}.ipynb").touch()
    results = compendium / "data" / "results"
    for benchmark in ("orl", "orl-xq"):
        (results / "edc" / benchmark / "sface" / "13_edc.ipynb").write_text("{}")
    start = results / "agreement" / "orl-xq" / "sface" / "16_agreement.ipynb"
    start.write_text("[a](13_edc.ipynb) [b](18_ablation.ipynb)")
    (compendium / "data" / "report" / "23_report.ipynb").write_text("[b](18_ablation.ipynb)")
    folder = publish(open_run(compendium))
    executed, source = "../../../edc/orl-xq/sface/13_edc.ipynb", "notebooks/18_ablation.ipynb"
    text = (folder / start.relative_to(results)).read_text()
    assert text == f"[a]({executed}) [b](../../../../../{source})"
    assert (folder / start.relative_to(results).parent / "../../../../.." / source).is_file()
    assert (folder / "23_report.ipynb").read_text() == f"[b](../../{source})"


def test_the_manifest_is_shown_on_the_page(compendium):
    note_duration(compendium, "data/results/edc/orl/sface", 60)
    note_duration(compendium, "data/results/edc/gone/sface", 1e6)
    folder = publish(open_run(compendium))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["run"] == "default" and manifest["seconds"] == 60
    assert manifest["seconds_by_stage"] == {"edc/orl/sface": 60}
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert manifest["processor"] in page and manifest["params_sha256"][:12] in page and "1 min" in page


def test_a_stage_that_has_not_run_is_named_and_the_old_results_stay(compendium):
    before = publish(open_run(compendium))
    shutil.rmtree(compendium / "data" / "results" / "edc" / "orl" / "sface")
    with pytest.raises(InputError, match=r"No results in .*edc.orl.sface"):
        publish(open_run(compendium))
    assert (before / "edc" / "orl" / "sface" / "table.csv").is_file()
    assert [p.name for p in before.parent.iterdir()] == ["default"], "nothing half-done stays beside it"
