"""What a run will cost, against counting by hand."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from prefiqs.cli import app
from prefiqs.pipeline.params import stage_items
from prefiqs.pipeline.plan import plan
from prefiqs.pipeline.workspace import run_parameters

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def networks_are_not_built(monkeypatch):
    """That networks are checked is tested in test_workspace; it takes seconds."""
    monkeypatch.setattr("prefiqs.pipeline.workspace.check_networks", lambda *_, **__: None)


def costs(data, preset=None, **settings):
    keys = {key.replace("__", "."): str(value) for key, value in settings.items()}
    params, content = run_parameters(ROOT, preset, keys, "test")
    return plan(params, stage_items(ROOT, content), data).set_index("stage")


def test_the_default_run(tmp_path):
    found = costs(tmp_path)
    networks = (1 + 2 * 9) + (1 + 9)  # sface by two strategies, mobilefacenet-512 by one
    mirrored = (1 + 2 * 5) + (1 + 5)  # Table 4: the unpruned network, and five ratios of each strategy
    assert found.loc["embed", "forward_passes"] == 400 * (networks + mirrored)
    assert found.loc["embed-degraded", "forward_passes"] == 800 * networks
    assert found.loc["verifier", "forward_passes"] == 1200
    assert found.loc["derivatives", "forward_passes"] == 2 * (1200 * 3 + 16 * 9 * 4)
    assert found.loc["method", ["forward_passes", "runs"]].tolist() == [1200 * 6, 6]
    assert found.loc["exits", "forward_passes"] == 1200 * (1 + 1 + 1)
    assert found.loc["contributions", "forward_passes"] == 2 * 1200 * (1 + 1 + 2)
    assert found.loc["verifier", "runs"] == 1 and found.loc["fetch", "runs"] == 1
    assert "ablation" not in found.index, "no benchmark asks for an ablation"


def test_disk_space_is_that_of_the_files_and_of_their_copy_in_the_cache(tmp_path):
    found = costs(tmp_path)
    assert found.loc["align", "megabytes"] == pytest.approx(2 * 400 * 112 * 112 * 3 / 1e6)
    assert found.loc["embed", "megabytes"] == pytest.approx(2 * 400 * 4 * (30 * 128 + 16 * 512) / 1e6)


def test_a_built_benchmark_is_counted_and_an_unknown_one_is_not_known_yet(tmp_path):
    folder = tmp_path / "benchmarks" / "orl"
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.zeros((10, 112, 112, 3), np.uint8))
    assert costs(tmp_path).loc["verifier", "forward_passes"] == 30
    own = {
        "benchmarks__all": ["orl", "orl-xq", "album"],
        "benchmarks__photos": ["orl", "album"],
        "benchmarks__paired": ["orl", "orl-xq", "album"],
        "align__show_faces__album": False,
    }
    found = costs(tmp_path, **own)
    assert np.isnan(found.loc["embed", "forward_passes"]) and found.loc["embed", "runs"] == 2 * 2


def test_more_work_costs_more(tmp_path):
    assert costs(tmp_path, methods__compared=["grafiqs"]).loc["method", "forward_passes"] == 1200 * (1 + 2)
    assert costs(tmp_path, prune__ratios=[0.4]).loc["embed", "forward_passes"] == 400 * ((1 + 2 + 3) + (1 + 1 + 2))
    assert costs(tmp_path, "study").loc["ablation", "forward_passes"] == 20 * 1200


def test_the_command_says_the_cost_of_a_preset(monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")
    shown = CliRunner().invoke(app, ["plan", "paper", "--set", "models.quality=[iresnet100]"])
    assert shown.exit_code == 0, shown.output
    assert "embed" in shown.output and "total" in shown.output
    assert str(CliRunner().invoke(app, ["plan", "--set", "edc.limit"]).exception).startswith("--set needs NAME=VALUE")
