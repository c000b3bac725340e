"""Which folder is taken for data."""

from pathlib import Path

import platformdirs

from prefiqs.assets.location import data_root


def test_the_environment_variable_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFIQS_DATA", "mine")
    assert data_root() == tmp_path / "mine"


def test_then_the_clone_around_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFIQS_DATA", raising=False)
    (tmp_path / "params.yaml").touch()
    (tmp_path / "dvc.yaml").touch()
    inner = tmp_path / "notebooks/deep"
    inner.mkdir(parents=True)
    (inner / "params.yaml").touch()  # alone it does not make a clone
    monkeypatch.chdir(inner)
    assert data_root() == tmp_path / "data"


def test_then_the_cache_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", "")
    monkeypatch.chdir(tmp_path)
    assert data_root() == Path(platformdirs.user_cache_dir("prefiqs"))
