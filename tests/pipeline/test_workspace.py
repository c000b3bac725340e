"""Runs beside the default one: their parameters, and that nothing of the default run is touched."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from prefiqs.assets.location import data_root
from prefiqs.errors import ConfigError, PrefiqsError
from prefiqs.pipeline.params import read_yaml
from prefiqs.pipeline.run import open_run
from prefiqs.pipeline.workspace import run_in_workspace, run_name, run_parameters

ROOT = Path(__file__).parents[2]


def test_settings_are_laid_over_the_preset_and_that_over_the_default(tmp_path):
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("edc: {limit: 0.2, resamples: 7}")
    params, content = run_parameters(ROOT, str(overlay), {"edc.limit": "0.25", "prune.ratios": "[0.4]"}, "try")
    assert (params.edc.limit, params.edc.resamples, params.prune.ratios) == (0.25, 7, [0.4])
    assert params.edc.seed == read_yaml(ROOT / "params.yaml")["edc"]["seed"] and content["run"] == "try"


def test_a_run_is_found_where_its_notebooks_are_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", str(tmp_path))
    expected = open_run(ROOT)
    assert data_root() == ROOT / "data", "weights and benchmarks come from one place"
    for folder in (ROOT, ROOT / "notebooks"):
        monkeypatch.chdir(folder)
        assert open_run() == expected
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"is not in a PreFIQs repository \(no .prefiqs-root found\)"):
        open_run()


def test_a_run_has_the_name_of_an_unchanged_preset_or_one_of_its_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("edc: {limit: 0.2}")
    limit = {"edc.limit": "0.2"}
    assert run_name(ROOT, "wild", {}, None) == run_name(ROOT, "presets/wild.yaml", {}, "wild") == "wild"
    assert run_name(ROOT, str(mine), {}, None) == "mine"
    for preset in ROOT.glob("presets/*.yaml"):
        assert run_name(ROOT, preset.stem, {}, None) == preset.stem
    assert run_name(ROOT, "wild", limit, "try") == run_name(ROOT, None, limit, "try") == "try"


@pytest.mark.parametrize(
    ("preset", "settings", "name", "reason"),
    [
        (None, {}, None, "Name the run with --name"),
        ("wild", {"edc.limit": "0.2"}, None, "Name the run with --name"),
        (None, {"edc.limit": "0.2"}, "default", "`dvc repro` publishes to reports/default"),
        ("wild", {}, "default", "`dvc repro` publishes to reports/default"),
        ("wild", {"edc.limit": "0.2"}, "wild", "reports/wild is for the preset 'wild' as it is"),
        ("methods", {}, "wild", "reports/wild is for the preset 'wild' as it is"),
        (None, {"edc.limit": "0.2"}, "wild", "reports/wild is for the preset 'wild' as it is"),
        ("wild", {}, "tutorials", "reports/tutorials is not of a run"),
    ],
)
def test_a_run_replaces_no_results_of_other_parameters(preset, settings, name, reason):
    with pytest.raises(ConfigError, match=reason):
        run_name(ROOT, preset, settings, name)


@pytest.mark.parametrize(("name", "reason"), {"wild": "is for the preset 'wild'", "mine": "is not of a run"}.items())
def test_the_run_of_params_yaml_replaces_no_other_results_either(tmp_path, name, reason):
    """Whatever command opens it, `prefiqs publish` or a stage; and DVC leaves the folder to `prefiqs publish`."""
    (tmp_path / ".prefiqs-root").touch()
    for folder in ("presets", "reports/mine"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "presets" / "wild.yaml").touch()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(read_yaml(ROOT / "params.yaml") | {"run": name}))
    with pytest.raises(ConfigError, match=f"reports/{name} {reason}"):
        open_run(tmp_path)
    assert read_yaml(ROOT / "dvc.yaml")["stages"]["publish"]["outs"][0]["reports/${run}"]["persist"]


def test_a_preset_of_the_same_name_elsewhere_is_another(tmp_path):
    (tmp_path / "wild.yaml").write_text("edc: {limit: 0.2}")
    with pytest.raises(ConfigError, match="reports/wild is for the preset 'wild' as it is"):
        run_name(ROOT, str(tmp_path / "wild.yaml"), {}, None)


def test_mistakes_are_found_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match="unknown block `edcc`"):
        run_parameters(ROOT, None, {"edcc.limit": "0.2"}, "try")
    with pytest.raises(ConfigError, match="Unknown preset 'lwf'; choose one of methods, paper"):
        run_parameters(ROOT, "lwf", {}, "try")
    with pytest.raises(ConfigError, match=r"prune.ratios=\[0.4 is not valid YAML"):
        run_parameters(ROOT, None, {"prune.ratios": "[0.4"}, "try")
    twice = tmp_path / "twice.yaml"
    twice.write_text("edc: {limit: 0.2}\nedc: {step: 0.1}\n")
    with pytest.raises(ConfigError, match=r"twice.yaml is not valid YAML: .*duplicate key"):
        run_parameters(ROOT, str(twice), {}, "try")


def test_networks_and_methods_are_checked_but_weights_may_be_missing():
    few = {"prune.granularities": "[unstructured]"}  # in less time
    run_parameters(ROOT, None, few | {"models.cross": "[iresnet50]"}, "try")
    with pytest.raises(ConfigError, match="`models.cross`: Unknown model 'mobilfacenet'"):
        run_parameters(ROOT, None, few | {"models.cross": "[mobilfacenet]"}, "try")
    faceqan = "{method: faceqan, model: mobilefacenet-192, options: {}}"
    with pytest.raises(ConfigError, match="`methods.known.a`: The method faceqan needs the layers"):
        run_parameters(ROOT, None, few | {"methods.known.a": faceqan, "methods.compared": "[a]"}, "try")
    for key, value in {"exits": "[12, 99]", "first_depth": "99"}.items():
        with pytest.raises(
            ConfigError, match=f"`transformer.{key}`: vit-prefiqs has 12 blocks, so there is no block 99"
        ):
            run_parameters(ROOT, None, few | {f"transformer.{key}": value}, "try")


STAGES = {
    "slow": {
        "cmd": "echo run >> {log} && mkdir -p data/results/slow && cat data/sources/x/faces > data/results/slow/o",
        "deps": ["data/sources/x"],
        "params": ["folds"],
        "outs": ["data/results/slow"],
    },
    "publish": {
        "cmd": "mkdir -p reports/${run} && cp data/results/slow/o reports/${run}/o && test ${edc.limit} != 0.15",
        "deps": ["data/results/slow", "data/results/jacobian", "data/results/verification"],
        "params": ["run", "edc.limit"],
        "outs": [{"reports/${run}": {"cache": False}}],
    },
}


@pytest.fixture
def compendium(tmp_path):
    """A compendium of two stages, run once with DVC; a line in the file `log` for each run of the first stage."""
    for folder in ("notebooks", "src/prefiqs"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in (
        "paper",
        "sources/x",
        "checkpoints",
        "external",
        "results/jacobian",
        "results/verification",
    ):
        (tmp_path / "data" / folder).mkdir(parents=True)
    (tmp_path / "data/sources/x/faces").write_text("faces")
    read_even_if_empty = [f"{dep}/README.md" for dep in STAGES["publish"]["deps"][1:]]
    for name in ("params.yaml", ".prefiqs-root", "requirements.lock", *read_even_if_empty):
        shutil.copy(ROOT / name, tmp_path / name)
    log = tmp_path / "log"
    text = yaml.safe_dump({"stages": STAGES}).replace("{log}", log.as_posix())
    (tmp_path / "dvc.yaml").write_text(text)
    for command in (["dvc", "init", "-q", "--no-scm"], ["dvc", "repro", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and not {".dvc", "runs"} & set(p.relative_to(root).parts)
    }


@pytest.mark.long
def test_a_run_has_its_own_folder_and_finds_what_was_computed_before(compendium):
    before = contents(compendium)
    _, content = run_parameters(compendium, None, {"edc.limit": "0.2"}, "try")
    folder = run_in_workspace(compendium, "try", content)
    assert folder == compendium / "reports" / "try" and (folder / "o").read_text() == "faces"
    assert {k: v for k, v in contents(compendium).items() if not k.startswith("reports/try")} == before
    assert (compendium / "log").read_text() == "run\n", "the first stage is found in the cache, not run again"
    for folder in STAGES["publish"]["deps"][1:]:
        assert contents(compendium / "data" / "runs" / "try" / folder) == contents(compendium / folder)


@pytest.mark.long
def test_a_failed_run_says_so_and_leaves_the_published_one(compendium):
    _, content = run_parameters(compendium, None, {"edc.limit": "0.2"}, "try")
    run_in_workspace(compendium, "try", content)
    _, broken = run_parameters(compendium, None, {"edc.limit": "0.15"}, "try")
    with pytest.raises(PrefiqsError, match="Run 'try' failed"):
        run_in_workspace(compendium, "try", broken)
    assert (compendium / "reports" / "try" / "o").is_file()
