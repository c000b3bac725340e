"""Assets that are files of the repository, but not of the package."""

from pathlib import Path

import pytest

import prefiqs
from prefiqs.assets.fetch import ASSETS, fetch
from prefiqs.assets.sources import Source
from prefiqs.errors import AssetError

from .conftest import sha256, tree

CONTENT = b"weights" * 1000
SOURCE = Source("file", "training/weights/net.bin")


@pytest.fixture
def net(register, tmp_path, monkeypatch):
    """The asset, and the path of the file in a compendium around the current folder."""
    register("net", (SOURCE,), CONTENT)
    file = tmp_path / "clone/training/weights/net.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    (tmp_path / "clone/.prefiqs-root").touch()
    monkeypatch.chdir(file.parent)
    return file


def test_it_is_copied_from_the_compendium(net, root):
    assert fetch("net", root).read_bytes() == CONTENT


def test_a_file_that_was_changed_or_removed_is_a_reason(net, root):
    net.write_bytes(b"something else")
    with pytest.raises(AssetError, match=f"repository: net has sha256 {sha256(b'something else')}, not"):
        fetch("net", root)
    net.unlink()
    with pytest.raises(AssetError, match=r"repository: not found in .*clone\."):
        fetch("net", root)
    assert tree(root) == []


def test_outside_the_compendium_it_is_put_in_place_by_hand(net, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("prefiqs.assets.sources.__file__", str(tmp_path / "site-packages/prefiqs/assets/sources.py"))
    with pytest.raises(AssetError) as caught:
        fetch("net", root)
    message = str(caught.value)
    assert f"put the file at {root / 'assets/net'} (sha256 {sha256(CONTENT)}) by hand" in message
    assert "training/weights/net.bin of the PreFIQs repository: neither the current folder nor" in message
    (root / "assets").mkdir()
    (root / "assets/net").write_bytes(CONTENT)
    assert fetch("net", root) == root / "assets/net"


def test_no_weights_are_inside_the_package():
    (source,) = ASSETS["vit-prefiqs"].sources
    package = Path(prefiqs.__file__).parent
    assert source.kind == "file"
    assert (package.parents[1] / source.place).is_file()
    assert not [path for path in package.rglob("*") if path.suffix in {".safetensors", ".onnx", ".pth", ".bin"}]
