"""An output folder of shards and its record, and the size of a cluster, without starting Ray."""

import sys
from pathlib import Path

import pandas as pd
import pytest

import prefiqs
from prefiqs.apps.ray.cluster import Cluster, missing_shards, shard_path
from prefiqs.errors import InputError
from prefiqs.io.atomic import whole_file

SETTINGS = {"ratio": 0.4, "source_sha256": "1f"}
TABLE = pd.DataFrame({"score": [1.0]})


@pytest.fixture
def out(tmp_path) -> Path:
    """The folder of a run of six shards that has written number 2."""
    assert missing_shards(tmp_path, 6, SETTINGS) == [0, 1, 2, 3, 4, 5]
    TABLE.to_parquet(shard_path(tmp_path, 2))
    return tmp_path


def test_a_run_is_resumed_only_with_its_own_settings(out):
    assert missing_shards(out, 6, SETTINGS) == [0, 1, 3, 4, 5]
    with pytest.raises(InputError, match=r"other settings: ratio was 0.4, now 0.5\. Use these settings, or choose"):
        missing_shards(out, 6, SETTINGS | {"ratio": 0.5})
    with pytest.raises(InputError, match="shards was 6, now 3"):
        missing_shards(out, 3, SETTINGS)
    assert missing_shards(out, 6, SETTINGS) == [0, 1, 3, 4, 5]


def test_shards_without_a_record_are_not_taken_for_this_run(out):
    (out / "_run.json").unlink()
    with pytest.raises(InputError, match="shards from another source"):
        missing_shards(out, 6, SETTINGS)


def test_what_a_killed_worker_leaves_is_no_shard(out):
    with pytest.raises(KeyboardInterrupt), whole_file(shard_path(out, 0)) as partial:
        raise KeyboardInterrupt
    partial.write_bytes(b"PAR1 half")  # a worker that is killed does not clean up
    assert len(list(out.iterdir())) == 3, "the half-written file is there"
    assert pd.read_parquet(out)["score"].to_list() == [1.0], "readers pass it over"
    assert missing_shards(out, 6, SETTINGS) == [0, 1, 3, 4, 5]
    assert sorted(p.name for p in out.iterdir()) == ["_run.json", "part-00000002.parquet"]


def test_without_ray(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'prefiqs\[ray\]'"):
        prefiqs.score_dataset(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_a_core_is_refused():
    pytest.importorskip("ray")
    machines = [{"Alive": True, "Resources": {"memory": 1.0}}, {"Alive": False, "Resources": {"CPU": 8.0}}]
    with pytest.raises(InputError, match="No machine of this Ray cluster has a CPU core"):
        Cluster()._shares(machines)
