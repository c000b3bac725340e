"""Which folder is taken for data, and what counts as the compendium."""

import platformdirs

from prefiqs.assets.location import compendium_root, data_root


def test_the_environment_variable_comes_first(tmp_path, monkeypatch):
    (tmp_path / ".prefiqs-root").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFIQS_DATA", "mine")
    assert data_root() == tmp_path / "mine"


def test_then_the_compendium_around_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFIQS_DATA", raising=False)
    (tmp_path / ".prefiqs-root").touch()
    inner = tmp_path / "notebooks/deep"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert data_root() == tmp_path / "data"
    assert compendium_root() == compendium_root(inner) == tmp_path


def test_another_project_of_dvc_is_not_the_compendium(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFIQS_DATA", raising=False)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert compendium_root() is None
    assert data_root() == platformdirs.user_cache_path("prefiqs")


def test_then_the_cache_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIQS_DATA", "")
    monkeypatch.chdir(tmp_path)
    assert data_root() == platformdirs.user_cache_path("prefiqs")


def test_the_marked_root_is_in_this_repository(pytestconfig):
    assert compendium_root(pytestconfig.rootpath / "notebooks") == pytestconfig.rootpath
