"""The command line on real photos: one row a photo, never an abort, errors as one sentence."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import prefiqs
from prefiqs.apps.score.rows import COLUMNS, write_rows
from prefiqs.cli import main
from prefiqs.faces.decode import read_photo
from prefiqs.io.user_tables import read_user_table


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line in this process, which has loaded PyTorch already."""

    def run(*arguments) -> subprocess.CompletedProcess:
        command = ["prefiqs", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(command, ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def folder(assets, tmp_path_factory):
    """Two faces, a blank photo, a broken photo and a text file that is no photo at all."""
    folder = tmp_path_factory.mktemp("photos")
    shutil.copy(assets["orl"] / "s1" / "1.pgm", folder / "a.pgm")
    (folder / "deep er").mkdir()
    shutil.copy(assets["orl"] / "s2" / "1.pgm", folder / "deep er" / "b.pgm")
    cv2.imwrite(str(folder / "blank.png"), np.full((200, 200, 3), 127, np.uint8))
    (folder / "broken.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("not a photo")
    return folder


def test_score_a_folder(run, folder, tmp_path):
    done = run("score", folder, "--out", tmp_path / "scores.csv", "--ratio", "0.5")
    assert done.returncode == 0, done.stderr
    assert "4 photos, 2 scored, 2 without a score" in done.stderr
    table = pd.read_csv(tmp_path / "scores.csv").set_index("path")
    faces = {str(p): prefiqs.align(p).image for p in (folder / "a.pgm", folder / "deep er" / "b.pgm")}
    expected = prefiqs.score(np.stack(list(faces.values())), "prefiqs", "sface", ratio=0.5)
    np.testing.assert_allclose(table.loc[list(faces), "score"], expected, atol=1e-6)
    assert table.loc[str(folder / "blank.png"), "status"].startswith("No face was found")
    assert "broken.jpg" in table.loc[str(folder / "broken.jpg"), "status"]
    assert table["score"].isna().sum() == 2


def test_score_files_of_the_field(run, folder, tmp_path):
    done = run("score", folder / "a.pgm", folder / "blank.png", "--out", tmp_path / "scores.txt", "--method", "norm")
    assert done.returncode == 0, done.stderr
    table = read_user_table(tmp_path / "scores.txt", {"path": "str", "score": "float64"})
    assert table["path"].tolist() == [str(folder / "a.pgm")]
    assert table["score"][0] > 1


@pytest.mark.long
def test_calibrate_and_score_with_options(run, assets, folder, tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    for i in range(1, 4):
        shutil.copy(assets["orl"] / f"s{i}" / "1.pgm", faces / f"{i}.pgm")
    (faces / "raw.NEF").write_bytes(b"")
    done = run("froq-calibrate", faces, folder / "blank.png", "--out", tmp_path / "froq.json")
    assert done.returncode == 0, done.stderr
    assert "4 photos, 3 faces; Spearman correlation" in done.stderr and "Skipped: 1 .nef." in done.stderr
    options = ["-o", f"calibration={tmp_path}/froq.json"]
    done = run("score", folder / "a.pgm", "--method", "froq", *options, "--out", tmp_path / "scores.csv")
    assert done.returncode == 0, done.stderr
    face = prefiqs.align(folder / "a.pgm").image[None]
    expected = prefiqs.score(face, "froq", "sface", calibration=tmp_path / "froq.json")
    assert pd.read_csv(tmp_path / "scores.csv")["score"].to_numpy() == pytest.approx(expected)
    done = run("score", folder / "a.pgm", "--method", "grafiqs", "-o", "block=4", "--out", tmp_path / "block.csv")
    assert done.returncode == 0, done.stderr
    expected = prefiqs.score(face, "grafiqs", "sface", block=4)
    assert pd.read_csv(tmp_path / "block.csv")["score"].to_numpy() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "{folder}/a.pgm", "--method", "magic"], "choose one of prefiqs"),
        (["score", "{folder}/a.pgm", "--model", "magic"], "Unknown model 'magic'; choose one of"),
        (["score", "{folder}/a.pgm", "--ratio", "1.5"], "between 0 and 1"),
        (["score", "{folder}/a.pgm", "--out", "scores.xls"], ".csv, .parquet, .txt"),
        (["score", "{folder}/a.pgm", "--method", "norm", "--ratio", "0.4"], "Unknown option 'ratio' of norm"),
        (["score", "{folder}/a.pgm", "-o", "ratio"], "-o needs NAME=VALUE, not 'ratio'"),
        (["score", "{folder}/nowhere"], "File not found: "),
        (["score", "{folder}", "--device", "abacus"], "Unknown device"),
        (["score", "{folder}", "--device", "mps"], "Unknown device 'mps'; choose auto, cpu, cuda"),
        (["score", "{folder}", "-o", "device=mps"], "-o device=… is not an option of a method"),
        (["score", "{folder}", "-o", "threads=2"], "-o threads=… is not an option of a method"),
        (["score", "{folder}", "-o", "ratio=0,4"], "The option ratio of prefiqs must be float, not '0,4'"),
        (["score", "{folder}", "-o", "ratio=nan"], "ratio"),
        (["score", "{folder}", "-o", "ratio"], "-o needs NAME=VALUE"),
        (["score", "{folder}", "--method", "faceqan", "-o", "k=abc"], "The option k of faceqan must be int, not 'abc'"),
        (["score", "@{folder}/nowhere.txt"], "File not found: "),
        (["score", "{folder}", "--landmarks", "{folder}/nowhere.txt"], "File not found: "),
        (["score", "{folder}", "--force"], "--force needs --out"),
        (["score", "{folder}/a.pgm", "--method", "froq"], "`prefiqs froq-calibrate`"),
        (["score", "{folder}", "--workers", "2"], "--workers and --address need --engine ray"),
        (["score", "{folder}", "--engine", "ray", "--out", "s", "--json"], "Choose either --json or --out"),
        (["froq-calibrate", "{folder}/blank.png", "--out", "froq.json"], "at least 3 faces"),
        (["notebook", "no.ipynb", "no.html"], "Notebook not found: no.ipynb"),
    ],
)
def test_errors_are_one_sentence(run, folder, arguments, message):
    done = run(*[a.format(folder=folder) for a in arguments])
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_is_installed_and_fails_without_a_trace_of_python():
    command = [str(Path(sys.executable).parent / "prefiqs"), "notebook", "no.ipynb", "no.html"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("prefiqs: Notebook not found: no.ipynb") and done.stderr.count("\n") == 1


def test_names_in_any_script_reach_a_pipe(tmp_path):
    """On Windows, Python encodes what goes into a pipe as the system does, for example in cp1252."""
    row = {
        "path": "山田/1.jpg",
        "face": 1,
        "method": "norm",
        "score": 1.0,
        "status": "ok",
        "hints": "",
        "settings": "norm",
    }
    write_rows([dict.fromkeys(COLUMNS) | row], tmp_path / "s.csv")
    command = [str(Path(sys.executable).parent / "prefiqs"), "show", str(tmp_path / "s.csv")]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "山田" in done.stdout.decode("utf-8")


def test_lists(run, assets):
    assert "jacobian" in run("list", "methods").stdout
    assert "mobilefacenet-512" in run("list", "models").stdout
    assert "orl: " in run("list", "assets").stdout
    assert run("list", "benchmarks").returncode == 0


def test_several_faces_as_json(run, folder, tmp_path):
    left, right = (read_photo(folder / name) for name in ("a.pgm", "deep er/b.pgm"))
    cv2.imwrite(str(tmp_path / "zwei Köpfe.png"), np.hstack([left, np.full_like(left, 128), right]))
    done = run("score", tmp_path / "*.png", "--json", "--all-faces", "--method", "norm", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["path"], row["face"], row["status"]) for row in rows] == [
        (f"{tmp_path}/zwei Köpfe.png", 1, "ok"), (f"{tmp_path}/zwei Köpfe.png", 2, "ok"),
    ]  # fmt: skip
    assert min(row["score"] for row in rows) > 1
    assert rows[0]["drift"] is None


def test_a_list_of_photos_and_what_is_passed_over(run, folder, tmp_path):
    (tmp_path / "list.txt").write_text(f'"{folder}/a.pgm"\r\n{folder}/deep er\r\n')
    done = run("score", f"@{tmp_path}/list.txt", "--method", "norm", "--json")
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [
        f"{folder}/a.pgm", f"{folder}/deep er/b.pgm",
    ]  # fmt: skip
    (tmp_path / "a.mov").touch()
    (tmp_path / ".DS_Store").touch()
    Image.new("L", (50, 50)).save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "b.png")
        archive.writestr("c.cr2", b"raw")
    done = run("score", tmp_path, tmp_path / "more.zip", "--method", "norm")
    found = re.search(r"2 without a score. Skipped: (.*)\.$", done.stderr, re.MULTILINE)[1]
    assert sorted(found.split(", ")) == ["1 .cr2", "1 .mov", "1 .txt", "1 hidden"]


def test_strictness_and_resuming(run, folder, tmp_path):
    """Status 3 with --strict if a photo has no score, also one that an earlier run looked at; else 0."""
    arguments = ["--method", "norm", "--out", tmp_path / "scores.parquet"]
    assert run("score", folder / "a.pgm", "--strict", *arguments).returncode == 0
    assert run("score", folder, "--resume", *arguments).returncode == 0
    before = pd.read_parquet(tmp_path / "scores.parquet")
    done = run("score", folder, "--resume", "--strict", *arguments)
    assert done.returncode == 3
    assert "4 photos, 2 scored, 2 without a score" in done.stderr
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "scores.parquet"), before)


def test_faults_outside_are_one_sentence(run, folder, tmp_path, monkeypatch):
    """A full disk, a folder that is a file; the whole trace with --debug."""
    (tmp_path / "file").touch()
    done = run("score", folder / "a.pgm", "--method", "norm", "--out", tmp_path / "file" / "scores.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("prefiqs: Cannot access ")
    assert str(tmp_path / "file") in done.stderr and done.stderr.count("\n") == 1

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "scores.csv")

    monkeypatch.setattr("prefiqs.apps.score.journal.ScoreJournal.append", full)
    arguments = ["score", str(folder / "a.pgm"), "--method", "norm", "--out", str(tmp_path / "scores.csv")]
    assert "Cannot access scores.csv: no space left on device.\n" in run(*arguments).stderr
    monkeypatch.setattr(sys, "argv", ["prefiqs", "--debug", *arguments])
    with pytest.raises(OSError, match="No space left"):
        main()


def test_debug_names_the_stage_and_the_file(run, folder, caplog):
    run("--debug", "score", folder / "blank.png", "--method", "norm")
    (record,) = (r for r in caplog.records if r.name == "prefiqs.faces.reader")
    assert str(folder / "blank.png") in record.getMessage()


def test_what_pillow_thinks_of_a_photo_is_not_printed_between_rows(run, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60 * 60)
    Image.new("L", (80, 80)).save(tmp_path / "large.png")
    for options, expected in (["--debug"], [Image.DecompressionBombWarning]), ([], []):
        with warnings.catch_warnings(record=True) as caught:
            run(*options, "score", tmp_path, "--method", "norm")
        assert [w.category for w in caught] == expected


def test_what_opencv_thinks_of_a_photo_is_not_printed_between_rows(folder, tmp_path):
    """It writes past Python, and reads its level when it is loaded."""
    (tmp_path / "cut.pgm").write_bytes((folder / "a.pgm").read_bytes()[:3000])
    command = [Path(sys.executable).with_name("prefiqs"), "score", tmp_path, "--method", "norm"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "not an image that can be read" in done.stdout and "ERROR" not in done.stderr


def test_version_help_and_completion(run):
    assert run("--version").stdout == f"prefiqs {prefiqs.__version__}\n"
    assert "--install-completion" in run("--help").stdout
    help_text = run("score", "--help").stdout
    assert "--resume" in help_text and "prefiqs score holiday/ portrait.jpg --out scores.csv" in help_text
