"""What a run will cost, against counting by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from prefiqs.cli import app
from prefiqs.pipeline.params import load_params
from prefiqs.pipeline.plan import plan

ROOT = Path(__file__).parents[1]
PIPELINE = ROOT / "dvc.yaml"
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def costs(params, root):
    return plan(params, root, PIPELINE).set_index("stage")


@pytest.fixture
def default():
    return load_params(ROOT / "params.yaml")


def test_the_default_run(default, tmp_path):
    found = costs(default, tmp_path)
    variants = 2 * 2 * 9
    mirrored = 1 + 2 * 2 * 5  # Table 4: the unpruned network, and five ratios of each strategy
    assert found.loc["embed", "forward_passes"] == 400 * (1 + variants + mirrored)
    assert found.loc["embed-degraded", "forward_passes"] == 1600 * (1 + variants)
    assert found.loc["verifier", "forward_passes"] == 2 * (400 + 2000)
    assert found.loc["jacobian", "forward_passes"] == 2000 * 3 + 16 * 9 * 4
    assert default.methods.compared == ["prefiqs-fast", "vitnt-fiqa", "ex-fiqa"]
    assert found.loc["method", "forward_passes"] == 2400 * (1 + 1 + 1)
    assert found.loc["method", "runs"] == 2 * 3
    assert found.loc["transformer", "forward_passes"] == 2000 * (1 + 1)
    assert found.loc["ablation", "forward_passes"] == 0
    assert found.loc["verifier", "runs"] == 4 and found.loc["fetch", "runs"] == 1 and found.loc["ablation", "runs"] == 0


def test_disk_space_is_that_of_the_files_and_of_their_copy_in_the_cache(default, tmp_path):
    found = costs(default, tmp_path)
    assert found.loc["align", "megabytes"] == pytest.approx(2 * 400 * 112 * 112 * 3 / 1e6)
    embeddings = 400 * (1 + 36 + 21) * 128 * 4
    assert found.loc["embed", "megabytes"] == pytest.approx(2 * embeddings / 1e6)


def test_a_built_benchmark_is_counted(default, tmp_path):
    folder = tmp_path / "benchmarks" / "orl"
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.zeros((10, 112, 112, 3), np.uint8))
    assert costs(default, tmp_path).loc["verifier", "forward_passes"] == 2 * (10 + 50)


def test_a_backward_pass_counts_as_two_forward_ones(default, tmp_path):
    more = replace(default, methods=replace(default.methods, compared=["grafiqs"]))
    assert costs(more, tmp_path).loc["method", "forward_passes"] == 2400 * (1 + 2)


def test_more_ratios_cost_more(default, tmp_path):
    fewer = replace(default, prune=replace(default.prune, ratios=[0.4]))
    assert costs(fewer, tmp_path).loc["embed", "forward_passes"] == 400 * (1 + 4 + 5)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: p.stem)
def test_presets_are_complete_and_can_be_planned(preset, tmp_path):
    params = load_params(preset)
    assert costs(params, tmp_path)["forward_passes"].sum() > 0
    assert (
        yaml.safe_load(preset.read_text(encoding="utf-8")).keys()
        == yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")).keys()
    )
    assert params.report.folder != "reports", "a preset must not overwrite the default run's results"
    assert params.benchmarks.all == params.benchmarks.photos + [c.name for c in params.benchmarks.cross_quality]


def test_the_paper_preset_is_the_papers_setting():
    params = load_params(ROOT / "presets" / "paper.yaml")
    assert params.models.quality == ["iresnet100", "iresnet50"]
    assert params.models.cross == ["elasticface", "magface", "curricularface"]
    table5 = {"adience", "agedb-30", "cfp-fp", "lfw", "calfw", "cplfw", "xqlfw", "ijb-c"}
    assert set(params.report.claims) == table5 and table5 < set(params.benchmarks.all)
    assert params.jacobian.ratio == 0.1 and params.report.gallery_ratio == 0.4


def test_the_command_says_the_cost_of_a_preset(monkeypatch):
    monkeypatch.chdir(ROOT)
    shown = CliRunner().invoke(app, ["plan", "presets/paper.yaml"])
    assert shown.exit_code == 0, shown.output
    assert "embed" in shown.output and "total" in shown.output
