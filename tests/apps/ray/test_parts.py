"""Sources cut into parts, shards and their record, without Ray."""

import sys
from pathlib import Path

import pandas as pd
import pytest

import prefiqs
from prefiqs.apps.ray.shards import missing_parts, shard_path, write_shard
from prefiqs.apps.ray.sources import parts_of
from prefiqs.errors import InputError


def read_all(source: Path, part_size: int) -> dict[str, bytes]:
    records = [(name, read()) for part in parts_of(source, part_size) for name, read in part.records()]
    assert len(dict(records)) == len(records)
    return dict(records)


@pytest.mark.parametrize("part_size", [1, 5, 100])
def test_every_image_is_in_one_part(dataset, photos, part_size):
    found = read_all(photos, part_size)
    assert found.keys() == {p.relative_to(photos).as_posix() for p in photos.rglob("*.*") if p.suffix != ".txt"}
    assert found["deep er/z.PNG"] == dataset.encoded["face-04.png"]
    assert read_all(dataset.parquet, part_size) == dataset.encoded
    in_shards = {Path(name).name: data for name, data in read_all(dataset.tar, part_size).items()}
    assert in_shards == dataset.encoded


def test_parts_are_of_the_size_asked_for(dataset, photos):
    assert [len(list(part.records())) for part in parts_of(photos, 3)] == [3, 3, 2]
    assert [len(list(part.records())) for part in parts_of(dataset.parquet, 8)] == [8, 8, 8]
    assert [len(list(part.records())) for part in parts_of(dataset.parquet, 5)] == [8, 8, 8]  # whole row groups
    assert [len(list(part.records())) for part in parts_of(dataset.tar / "3.tar", 1)] == [4]


def test_images_as_structs_and_without_names(dataset, tmp_path):
    images = [{"bytes": data, "path": None} for data in [*dataset.encoded.values()][:3]]
    pd.DataFrame({"image": [*images, None]}).to_parquet(tmp_path / "x.parquet", row_group_size=2)
    found = read_all(tmp_path, 2)
    assert list(found) == [f"x.parquet#{i}" for i in range(4)]
    assert list(found.values()) == [*[image["bytes"] for image in images], b""]


def test_sources_that_cannot_be_used(dataset, photos, tmp_path):
    with pytest.raises(InputError, match="nothing there"):
        parts_of(tmp_path / "no", 1)
    with pytest.raises(InputError, match="got none"):
        (tmp_path / "empty").mkdir()
        parts_of(tmp_path / "empty", 1)
    (photos / "0.tar").write_bytes((dataset.tar / "0.tar").read_bytes()[:900])
    with pytest.raises(InputError, match="photos and .tar"):
        parts_of(photos, 1)
    with pytest.raises(InputError, match="0.tar, got a broken one"):
        list(parts_of(photos / "0.tar", 1)[0].records())
    pd.DataFrame({"a": [b""], "b": [b""]}).to_parquet(tmp_path / "two.parquet")
    with pytest.raises(InputError, match="got a, b"):
        parts_of(tmp_path / "two.parquet", 1)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="none that can be read"):
        parts_of(tmp_path / "bad.parquet", 1)


def test_a_run_is_taken_up_only_with_its_own_settings(dataset, photos, tmp_path):
    out, parts = tmp_path / "out", parts_of(dataset.tar, 1)
    assert missing_parts(out, parts, {"ratio": 0.4}) == [0, 1, 2, 3, 4, 5]
    write_shard(pd.DataFrame({"score": [1.0]}), shard_path(out, 2))
    assert missing_parts(out, parts, {"ratio": 0.4}) == [0, 1, 3, 4, 5]
    with pytest.raises(InputError, match=r"another ratio \(0.5, was 0.4\)"):
        missing_parts(out, parts, {"ratio": 0.5})
    with pytest.raises(InputError, match="source_sha256"):
        missing_parts(out, [*parts[:5], *parts_of(photos, 100)], {"ratio": 0.4})
    (out / "_run.json").unlink()
    with pytest.raises(InputError, match="shards of another origin"):
        missing_parts(out, parts, {"ratio": 0.4})


def test_a_shard_that_is_half_written_is_none(dataset, tmp_path, monkeypatch):
    def killed(table, path, **_):
        Path(path).write_bytes(b"PAR1 half")
        raise KeyboardInterrupt

    out, parts, table = tmp_path / "out", parts_of(dataset.tar, 1), pd.DataFrame({"score": [1.0]})
    missing_parts(out, parts, {})
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(pd.DataFrame, "to_parquet", killed)
        write_shard(table, shard_path(out, 0))
    write_shard(table, shard_path(out, 1))
    assert len(list(out.iterdir())) == 3, "the half-written file is there"
    assert pd.read_parquet(out)["score"].to_list() == [1.0], "readers pass it over"
    assert missing_parts(out, parts, {}) == [0, 2, 3, 4, 5]
    assert sorted(p.name for p in out.iterdir()) == ["_run.json", "part-00000001.parquet"]


def test_without_ray(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'prefiqs\[ray\]'"):
        prefiqs.score_dataset(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()
