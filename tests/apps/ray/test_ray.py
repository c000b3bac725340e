"""On a local Ray cluster: the scores of `prefiqs.score`, whoever is killed meanwhile."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from tests.distributed.watching import shards, wait_for, workers
from typer.testing import CliRunner

import prefiqs
from prefiqs.cli import app
from prefiqs.errors import InputError

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("cluster")]


def assert_scores(out: Path, expected: pd.Series) -> None:
    """Each image once, with the score that it should have."""
    table = pd.read_parquet(out)
    names = table["name"].map(lambda name: Path(name).name)
    assert sorted(names) == sorted(expected.index)
    assert (table["problem"] == "").all()
    np.testing.assert_allclose(table["score"], expected[names], atol=1e-6)


def test_photos_and_bad_ones(photos, dataset, tmp_path):
    done = prefiqs.score_dataset(photos, tmp_path / "out", ratio=0.5, part_size=3, workers=1)
    table = pd.read_parquet(tmp_path / "out").set_index("name")
    faces = {"deep er/z.PNG": prefiqs.align(dataset.faces["face-04.png"]).image}
    faces |= {name: prefiqs.align(dataset.faces[name]).image for name in list(dataset.faces)[:4]}
    assert (done.images, done.failed, done.parts, done.found) == (8, 3, 3, 0)
    assert set(table.index) == {*faces, "empty.jpg", "broken.jpg", "large.png"}
    good = table.loc[list(faces)]
    np.testing.assert_allclose(good["score"], prefiqs.score(np.stack([*faces.values()]), ratio=0.5), atol=1e-6)
    bad = table.drop(index=list(faces))
    assert bad["score"].isna().all() and (good["problem"] == "").all()
    assert "8 bytes that OpenCV cannot read" in bad.loc["broken.jpg", "problem"]
    assert "at least one face" in bad.loc["large.png", "problem"]
    assert set(table["method"]) == {"prefiqs"}

    before = shards(tmp_path / "out")
    command = ["score", str(photos), "--engine", "ray", "--out", str(tmp_path / "out"), "--part-size", "3", "--ratio"]
    again = CliRunner().invoke(app, [*command, "0.5"])
    assert again.output == "0 images in 0 parts, 0 with a problem; 3 parts were there already\n"
    assert isinstance(CliRunner().invoke(app, [*command, "0.6"]).exception, InputError)
    assert shards(tmp_path / "out") == before


def test_a_worker_killed_in_mid_run_loses_and_doubles_nothing(dataset, expected, tmp_path):
    killed = []

    def kill():
        wait_for(lambda: shards(tmp_path / "out"))
        killed.extend([workers()[0], len(shards(tmp_path / "out"))])
        killed[0].kill()

    killer = Thread(target=kill)
    killer.start()
    done = prefiqs.score_dataset(
        dataset.parquet, tmp_path / "out", "norm", aligned=True, workers=2, part_size=4, device="cpu"
    )
    killer.join()
    assert killed[1] < 6 and not killed[0].is_running()
    assert (done.images, done.failed, done.parts, done.found) == (24, 0, 6, 0)
    assert_scores(tmp_path / "out", expected("norm"))


def test_a_run_whose_driver_was_killed_is_taken_up_where_it_was(dataset, expected, tmp_path):
    arguments = f"{str(dataset.tar)!r}, {str(tmp_path / 'out')!r}, 'prefiqs-fast', aligned=True, device='cpu'"
    code = f"import prefiqs; prefiqs.score_dataset({arguments})"
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    wait_for(lambda: shards(tmp_path / "out") or driver.poll() is not None)
    driver.send_signal(signal.SIGKILL)
    before = shards(tmp_path / "out")
    assert driver.wait() == -signal.SIGKILL, driver.stderr.read().decode()
    driver.stderr.close()
    assert 0 < len(before) < 6

    done = prefiqs.score_dataset(dataset.tar, tmp_path / "out", "prefiqs-fast", aligned=True, device="cpu")
    assert done.found >= len(before) and done.found + done.parts == 6 and done.images == 4 * done.parts
    assert before.items() <= shards(tmp_path / "out").items()
    assert_scores(tmp_path / "out", expected("prefiqs-fast"))


def test_embeddings_and_a_broken_tar_file(dataset, tmp_path):
    source = tmp_path / "tar"
    shutil.copytree(dataset.tar, source)
    (source / "3.tar").write_bytes((source / "3.tar").read_bytes()[:900])
    with pytest.raises(InputError, match=r"3.tar, got a broken one .* 1 of 6 parts; the others are done"):
        prefiqs.embed_dataset(source, tmp_path / "out", aligned=True, workers=1, device="cpu")
    assert len(shards(tmp_path / "out")) == 5
    table = pd.read_parquet(tmp_path / "out")
    raw = np.stack(table["embedding"])
    faces = np.stack([dataset.faces[Path(name).name] for name in table["name"]])
    assert raw.dtype == np.float32 and len(raw) == 20
    np.testing.assert_allclose(np.linalg.norm(raw, axis=1), prefiqs.score(faces, "norm"), rtol=1e-6)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1)[:, None], prefiqs.embed("sface", faces), atol=1e-6)


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (prefiqs.score_dataset, {"method": "magic"}, "known are prefiqs"),
        (prefiqs.score_dataset, {"ratio": 1.5}, "between 0 and 1"),
        (prefiqs.embed_dataset, {"model": "magic"}, "known are"),
        (prefiqs.embed_dataset, {"workers": 3}, "1 to 2 workers"),
        (prefiqs.embed_dataset, {"device": "cuda"}, "Expected GPUs in the Ray cluster"),
        (prefiqs.embed_dataset, {"part_size": 0}, "at least one image a part"),
    ],
)
def test_errors_come_before_any_work(dataset, tmp_path, run, options, message):
    with pytest.raises(InputError, match=message):
        run(dataset.tar, tmp_path / "out", aligned=True, **options)
    assert not shards(tmp_path / "out")
