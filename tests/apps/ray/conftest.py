"""A data set in each of the three forms, what `prefiqs.score` says of it, and a cluster of Ray."""

import io
import os
import tarfile
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

import prefiqs


@pytest.fixture(scope="session")
def dataset(orl, tmp_path_factory):
    """24 aligned faces as lossless PNG, by name: as Parquet (row groups of 4) and as 6 tar shards of 4."""
    faces = {f"face-{i:02}.png": orl.images[i * 10] for i in range(24)}
    folder = tmp_path_factory.mktemp("dataset")
    encoded = {name: cv2.imencode(".png", face[..., ::-1])[1].tobytes() for name, face in faces.items()}
    table, shards = folder / "parquet" / "faces.parquet", folder / "tar"
    table.parent.mkdir()
    shards.mkdir()
    rows = pd.DataFrame({"name": encoded.keys(), "image": encoded.values(), "subject": "somebody"})
    rows.to_parquet(table, row_group_size=4, index=False)
    names = list(encoded)
    for i in range(6):
        with tarfile.open(shards / f"{i}.tar", "w") as tar:
            for name in names[4 * i : 4 * i + 4]:
                add(tar, name, encoded[name])
                add(tar, name.replace(".png", ".json"), b"{}")
    return SimpleNamespace(faces=faces, encoded=encoded, parquet=table.parent, tar=shards)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="session")
def expected(dataset):
    """Scores in this process by name, of a method and its options."""

    def scores(method: str = "prefiqs", **options) -> pd.Series:
        values = prefiqs.score(np.stack([*dataset.faces.values()]), method, device="cpu", **options)
        return pd.Series(values, index=list(dataset.faces))

    return scores


@pytest.fixture
def photos(dataset, tmp_path) -> Path:
    """Four aligned faces in a folder and one below it, an aligned face too large, an empty and a broken file."""
    (tmp_path / "photos" / "deep er").mkdir(parents=True)
    for name in list(dataset.encoded)[:4]:
        (tmp_path / "photos" / name).write_bytes(dataset.encoded[name])
    (tmp_path / "photos" / "deep er" / "z.PNG").write_bytes(dataset.encoded["face-04.png"])
    (tmp_path / "photos" / "empty.jpg").touch()
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "photos" / "large.png"), np.zeros((300, 200, 3), np.uint8))
    (tmp_path / "photos" / "notes.txt").write_text("not a photo")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def cluster():
    """Two cores, whatever the machine has; workers of full priority, for the other tests are at work beside them."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'prefiqs[ray]'")
    before = dict(os.environ)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    yield
    ray.shutdown()
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
