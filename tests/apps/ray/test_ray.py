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
from watching import shards, wait_for, workers

import prefiqs
from prefiqs.apps.score.rows import read_scores
from prefiqs.errors import InputError
from prefiqs.faces.template import ARCFACE_TEMPLATE, align_to_template

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("cluster")]


def assert_scores(out: Path, expected: pd.Series) -> None:
    """Each image once, with the score that it should have."""
    table = pd.read_parquet(out)
    names = table["path"].map(lambda name: Path(name).name)
    assert sorted(names) == sorted(expected.index)
    assert (table["status"] == "ok").all()
    np.testing.assert_allclose(table["score"], expected[names], atol=1e-6)


def test_photos_and_bad_ones(photos, dataset, tmp_path):
    done = prefiqs.score_dataset(photos, tmp_path / "out", ratio=0.5, shard_size=3, workers=1)
    table = read_scores(tmp_path / "out").to_pandas().set_index("path")
    faces = {"deep er/z.PNG": prefiqs.align(dataset.faces["face-04.png"])}
    faces |= {name: prefiqs.align(dataset.faces[name]) for name in list(dataset.faces)[:4]}
    assert (done.images, done.failed, done.shards, done.skipped) == (8, 3, 3, 0)
    assert set(table.index) == {str(photos / name) for name in [*faces, "empty.jpg", "broken.jpg", "large.png"]}
    good = table.loc[[str(photos / name) for name in faces]]
    images = np.stack([face.image for face in faces.values()])
    np.testing.assert_allclose(good["score"], prefiqs.score(images, ratio=0.5), atol=1e-6)
    bad = table.drop(index=good.index)
    assert bad["score"].isna().all() and (good["status"] == "ok").all()
    assert "image" in bad.loc[str(photos / "broken.jpg"), "status"]
    assert "No face" in bad.loc[str(photos / "large.png"), "status"]

    before = shards(tmp_path / "out")
    with pytest.raises(InputError, match="ratio"):
        prefiqs.score_dataset(photos, tmp_path / "out", ratio=0.6, shard_size=3, workers=1)
    again = prefiqs.score_dataset(photos, tmp_path / "out", ratio=0.5, shard_size=3, workers=1)
    assert (again.images, again.shards, again.skipped) == (0, 0, 3)
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
        dataset.parquet, tmp_path / "out", "norm", aligned=True, workers=2, shard_size=4, device="cpu"
    )
    killer.join()
    assert killed[1] < 6 and not killed[0].is_running()
    assert (done.images, done.failed, done.shards, done.skipped) == (24, 0, 6, 0)
    assert_scores(tmp_path / "out", expected("norm"))


def test_a_run_whose_driver_was_killed_is_taken_up_where_it_was(dataset, expected, tmp_path):
    arguments = f"{str(dataset.tar)!r}, {str(tmp_path / 'out')!r}, 'pruning-margin', aligned=True, device='cpu'"
    code = f"import prefiqs; prefiqs.score_dataset({arguments})"
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    wait_for(lambda: shards(tmp_path / "out") or driver.poll() is not None)
    driver.send_signal(signal.SIGKILL)
    before = shards(tmp_path / "out")
    assert driver.wait() == -signal.SIGKILL, driver.stderr.read().decode()
    driver.stderr.close()
    assert 0 < len(before) < 6

    done = prefiqs.score_dataset(dataset.tar, tmp_path / "out", "pruning-margin", aligned=True, device="cpu")
    assert done.skipped >= len(before) and done.skipped + done.shards == 6 and done.images == 4 * done.shards
    assert before.items() <= shards(tmp_path / "out").items()
    assert_scores(tmp_path / "out", expected("pruning-margin"))


def test_embeddings_and_a_broken_tar_file(dataset, tmp_path):
    source = tmp_path / "tar"
    shutil.copytree(dataset.tar, source)
    (source / "3.tar").write_bytes((source / "3.tar").read_bytes()[:900])
    with pytest.raises(
        InputError, match=r"3.tar is not a complete tar file .* 1 of 6 shards failed; the others are complete"
    ):
        prefiqs.embed_dataset(source, tmp_path / "out", aligned=True, workers=1, device="cpu")
    assert len(shards(tmp_path / "out")) == 5
    table = pd.read_parquet(tmp_path / "out")
    raw = np.stack(table["embedding"])
    faces = np.stack([dataset.faces[Path(name).name] for name in table["path"]])
    assert raw.dtype == np.float32 and len(raw) == 20
    np.testing.assert_allclose(np.linalg.norm(raw, axis=1), prefiqs.score(faces, "norm"), rtol=1e-6)
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1)[:, None], prefiqs.embed("sface", faces), atol=1e-6)


def test_landmarks_of_the_data_set(dataset, tmp_path):
    """Instead of those of the detector; a photo that the file does not name has a row that says so."""
    points = ARCFACE_TEMPLATE * 0.9 + [7, 4]
    given = list(dataset.faces)[:-1]
    lines = [" ".join([name, *map(str, points.ravel().round(2))]) for name in given]
    (tmp_path / "points.txt").write_text("\n".join(lines))
    done = prefiqs.score_dataset(
        dataset.parquet, tmp_path / "out", "norm", landmarks=tmp_path / "points.txt", workers=2, device="cpu"
    )
    assert (done.images, done.failed) == (24, 1)
    table = pd.read_parquet(tmp_path / "out")
    table.index = table["path"].map(lambda path: Path(path).name)
    faces = np.stack([align_to_template(dataset.faces[name], points.round(2)) for name in given])
    np.testing.assert_allclose(table.loc[given, "score"], prefiqs.score(faces, "norm"), rtol=1e-6)
    np.testing.assert_allclose(table.loc[given, "left_eye_x"], points[0, 0], atol=0.01)
    (lost,) = table.drop(index=given)["status"]
    assert "points.txt has no landmarks of" in lost
    assert (table["settings"].str.contains("landmarks=")).all()


@pytest.mark.parametrize(
    ("run", "options", "message"),
    [
        (prefiqs.score_dataset, {"landmarks": "nowhere.txt"}, "File not found: nowhere.txt"),
        (prefiqs.score_dataset, {"method": "magic"}, "Unknown method 'magic'"),
        (prefiqs.score_dataset, {"ratio": 1.5}, "between 0 and 1"),
        (prefiqs.embed_dataset, {"model": "magic"}, "Unknown model"),
        (prefiqs.embed_dataset, {"workers": 3}, "room for 1 to 2 workers"),
        (prefiqs.embed_dataset, {"device": "cuda"}, "no GPU"),
        (prefiqs.embed_dataset, {"shard_size": 0}, "at least one image"),
    ],
)
def test_errors_come_before_any_work(dataset, tmp_path, run, options, message):
    with pytest.raises(InputError, match=message):
        run(dataset.tar, tmp_path / "out", **({"aligned": "landmarks" not in options} | options))
    assert not shards(tmp_path / "out")
