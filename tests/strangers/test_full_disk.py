"""A disk that fills up while a file is written (here: a limit on the size of files): the old file stays."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import cv2
import numpy as np
import pandas as pd
import pytest
from safetensors import SafetensorError

from prefiqs.assets.fetch import fetch
from prefiqs.cli import main
from prefiqs.datasets.benchmark import Benchmark, load_benchmark, save_benchmark
from prefiqs.datasets.source import face_index
from prefiqs.errors import AssetError, InputError
from prefiqs.io.arrays import row_writer, write_array
from prefiqs.io.atomic import write_text
from prefiqs.io.scores import write_score_file
from prefiqs.io.tables import write_table
from prefiqs.pruning.mask import PruningMask, load_mask, save_mask
from prefiqs.pruning.spec import PruningSpec

resource = pytest.importorskip("resource", reason="only POSIX systems can limit the size of files")

NOISE = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: writing more raises OSError, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def faces(count: int) -> Benchmark:
    images = np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3), np.uint8)
    names = [f"{i}.jpg" for i in range(count)]
    return Benchmark("b", images, face_index(names, names), np.array([[0, 1]], np.int32), np.array([False]))


def write_noise_by_rows(path):
    with row_writer(path, NOISE.shape, np.uint8) as append:
        for row in NOISE:
            append(row[None])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npy", lambda path: write_array(NOISE, path)),
        ("r.npy", write_noise_by_rows),
        ("t.parquet", lambda path: write_table(pd.DataFrame({"a": NOISE.astype(float)}), path)),
        ("t.csv", lambda path: write_table(pd.DataFrame({"a": NOISE}), path)),
        ("t.txt", lambda path: write_text("x" * 100_000, path)),
        ("s.txt", lambda path: write_score_file(map(str, range(9999)), np.ones(9999), path)),
        ("p.safetensors", lambda path: save_mask(PruningMask(PruningSpec(0.4), 0.4, {"mask": NOISE}), path)),
    ],
)
def test_the_old_file_stays_and_the_next_run_works(tmp_path, name, write):
    path = tmp_path / name
    path.write_bytes(b"old")
    with room_for(10_000), pytest.raises((OSError, SafetensorError)):
        write(path)
    assert path.read_bytes() == b"old"
    write(path)
    assert path.stat().st_size > 10_000 and [file.name for file in tmp_path.iterdir()] == [name]


def test_a_removal_cut_by_a_full_disk_is_not_taken_for_a_whole_one(tmp_path):
    whole = tmp_path / "p.safetensors"
    save_mask(PruningMask(PruningSpec(0.4), 0.4, {"mask": NOISE}), whole)
    whole.write_bytes(whole.read_bytes()[:10_000])
    with pytest.raises(InputError, match="is not a pruning mask, or is damaged"):
        load_mask(whole)


def test_a_benchmark_is_whole_or_not_there(tmp_path):
    with room_for(100_000), pytest.raises(OSError, match="too large"):
        save_benchmark(faces(9), tmp_path)
    with pytest.raises(InputError, match=r"has no images\.npy, index\.parquet, pairs\.parquet"):
        load_benchmark("b", tmp_path)
    save_benchmark(faces(9), tmp_path)
    assert (load_benchmark("b", tmp_path).images == faces(9).images).all()


def test_a_benchmark_that_was_not_replaced_as_a_whole_is_no_benchmark(tmp_path, monkeypatch):
    """New images of the same number with the old index would be taken for a benchmark."""
    save_benchmark(faces(9), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("prefiqs.datasets.benchmark.write_table", lambda table, path: table.fail())
        with pytest.raises(AttributeError):
            save_benchmark(faces(9), tmp_path)
    with pytest.raises(InputError, match=r"index\.parquet"):
        load_benchmark("b", tmp_path)


def test_an_asset_is_whole_or_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with room_for(10_000), pytest.raises(AssetError, match="Cannot write asset vit-prefiqs to .* Free some disk space"):
        fetch("vit-prefiqs", tmp_path / "data")
    assert not list(tmp_path.rglob("*.*"))
    assert fetch("vit-prefiqs", tmp_path / "data").stat().st_size > 10_000


def test_a_corrupted_asset_is_noticed_and_left_alone(tmp_path):
    path = fetch("vit-prefiqs", tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssetError, match="Nothing was changed. Move the file away"):
        fetch("vit-prefiqs", tmp_path)
    assert path.read_bytes() == data


def test_a_data_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    """A file in the place of the folder: unlike a read-only folder, it stops root too."""
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(AssetError, match="Cannot write asset .* or choose another folder") as caught:
        fetch("vit-prefiqs", tmp_path / "data")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("full", [False, True], ids=["file in the way", "no room"])
def test_the_command_line_says_it_in_one_sentence(assets, tmp_path, monkeypatch, capsys, full):
    out = tmp_path / ("scores.csv" if full else "file/scores.csv")
    (tmp_path / "file").write_text("in the way")
    photo = tmp_path / "face.png"
    cv2.imwrite(str(photo), faces(1).images[0])
    monkeypatch.setattr(sys, "argv", ["prefiqs", "score", str(photo), "--aligned", "--method=norm", f"--out={out}"])
    with room_for(20) if full else nullcontext(), pytest.raises(SystemExit) as caught:
        main()
    said = capsys.readouterr().err.splitlines()[-1]
    assert caught.value.code == 1 and re.fullmatch(r"prefiqs: Cannot (access|read or write) .*: file .*\.", said)
    assert not out.exists()
