"""A network and its pruned variants on a local Ray cluster: the tables of `write_embeddings`, whoever is killed."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
from watching import shards, wait_for, workers

from prefiqs.apps.ray.variants import write_embeddings_on_ray
from prefiqs.embedding import embedder
from prefiqs.embedding.embedder import write_embeddings
from prefiqs.errors import InputError
from prefiqs.models.loading import load_model
from prefiqs.pruning.mask import save_mask
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("cluster")]
VIEWS = [(0, "plain"), (0, "mirrored"), (1, "plain"), (2, "plain"), (3, "plain"), (3, "mirrored")]  # 0: unpruned
ROWS = [7, 3, 19, 4, 0, 11, 12, 23, 5, 6]
TABLES, SHARDS = 6, 12  # three groups of jobs × four ranges of rows


@pytest.fixture(scope="module")
def study(orl, tmp_path_factory):
    """SFace and three pruned variants on some rows of a file of 24 faces, and what this process makes of them."""
    folder = tmp_path_factory.mktemp("study")
    np.save(folder / "images.npy", orl.images[:240:10])
    network = load_model("sface", device="cpu")
    specs = [PruningSpec(0.4), PruningSpec(0.5, "structured"), PruningSpec(0.8)]
    chosen = select_masks(network, specs)
    masks = [folder / f"{i}.safetensors" for i in range(len(chosen))]
    for mask, path in zip(chosen, masks, strict=True):
        save_mask(mask, path)
    expected = [folder / "local" / f"{i}.npy" for i in range(TABLES)]
    faces = np.load(folder / "images.npy")[ROWS]
    networks = [network, *(apply_mask(network, mask) for mask in chosen)]
    jobs = [(networks[i], view) for i, view in VIEWS]
    write_embeddings(jobs, faces, len(faces), expected, device="cpu")
    return SimpleNamespace(images=folder / "images.npy", masks=masks, expected=expected)


@pytest.fixture(autouse=True)
def groups_of_two(monkeypatch):
    monkeypatch.setattr(embedder, "NETWORKS_AT_ONCE", 2)


def write(study, out: Path, **options) -> None:
    paths = [out / f"{i}.npy" for i in range(TABLES)]
    given = {"device": "cpu", "shard_size": 3} | options
    jobs = [(study.masks[i - 1] if i else None, view) for i, view in VIEWS]
    write_embeddings_on_ray("sface", jobs, study.images, np.array(ROWS), paths, **given)


def assert_equal_to_local(study, out: Path) -> None:
    assert sorted(path.name for path in out.iterdir()) == [path.name for path in study.expected]
    for path in study.expected:
        here, there = np.load(path), np.load(out / path.name)
        assert there.dtype == np.float32 and there.shape == here.shape
        np.testing.assert_allclose(there, here, rtol=1e-6, atol=1e-6 * np.linalg.norm(here, axis=1).max())
    assert [path.name for path in out.parent.iterdir()] == [out.name], "shards are gone"


def test_equal_to_local(study, tmp_path):
    write(study, tmp_path / "sface", workers=1, shard_size=100)
    assert_equal_to_local(study, tmp_path / "sface")


def test_a_worker_killed_in_mid_run_loses_nothing(study, tmp_path):
    killed = []

    def kill():
        wait_for(lambda: shards(tmp_path / ".sface.shards"))
        killed.extend([workers()[0], len(shards(tmp_path / ".sface.shards"))])
        killed[0].kill()

    killer = Thread(target=kill)
    killer.start()
    write(study, tmp_path / "sface", workers=2)
    killer.join()
    assert killed[1] < SHARDS and not killed[0].is_running()
    assert_equal_to_local(study, tmp_path / "sface")


def test_after_a_driver_that_died_only_what_is_missing_is_computed(study, tmp_path, monkeypatch):
    out, paths = tmp_path / ".sface.shards", [str(tmp_path / "sface" / f"{i}.npy") for i in range(TABLES)]
    jobs = [(str(study.masks[i - 1]) if i else None, view) for i, view in VIEWS]
    code = f"""
from prefiqs.apps.ray.variants import write_embeddings_on_ray
from prefiqs.embedding import embedder
import numpy as np
embedder.NETWORKS_AT_ONCE = 2
write_embeddings_on_ray("sface", {jobs}, {str(study.images)!r}, np.array({ROWS}), {paths}, device="cpu", shard_size=3)
"""
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    wait_for(lambda: shards(out) or driver.poll() is not None)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL, driver.stderr.read().decode()
    driver.stderr.close()
    before = shards(out)
    assert 0 < len(before) < SHARDS

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr("prefiqs.apps.ray.variants.row_writer", stopped)
        write(study, tmp_path / "sface")
    assert len(shards(out)) == SHARDS and before.items() <= shards(out).items()
    times = [written for _, written in sorted(shards(out).items())]
    assert times == sorted(times), "group after group"
    with monkeypatch.context() as context:
        context.setattr("prefiqs.apps.ray.cluster.Cluster._shares", None)  # nothing is left to do for one
        write(study, tmp_path / "sface")
    assert_equal_to_local(study, tmp_path / "sface")


def test_shards_of_other_settings_make_place(study, tmp_path):
    out = tmp_path / ".sface.shards"
    out.mkdir()
    (out / "part-00000000.parquet").write_bytes(b"of a run without a record")
    write(study, tmp_path / "sface", shard_size=100)
    assert_equal_to_local(study, tmp_path / "sface")


def test_errors_come_before_any_work(study, tmp_path):
    for options, message in [
        ({"shard_size": 0}, "do not fit 6 paths and a shard size of 0"),
        ({"workers": 3}, "room for 1 to 2 workers"),
        ({"device": "cuda"}, "no GPU"),
    ]:
        with pytest.raises(InputError, match=message):
            write(study, tmp_path / "sface", **options)
    study = SimpleNamespace(**vars(study) | {"masks": [study.images, *study.masks[1:]]})
    with pytest.raises(InputError, match="is not a pruning mask, or is damaged"):
        write(study, tmp_path / "sface")
    assert not shards(tmp_path / ".sface.shards")
