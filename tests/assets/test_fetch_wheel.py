"""Assets from wheels, through the real pip: success, every kind of failure, and what must never be touched."""

import subprocess

import pytest

from prefiqs.assets import sources
from prefiqs.assets.fetch import fetch, fetch_all, status
from prefiqs.assets.sources import Source
from prefiqs.errors import AssetError, InputError

from .conftest import make_wheel, sha256, tree

CONTENT = b"weights" * 1000
SOURCE = Source("wheel", "tiny-net==1.0", "tiny_net/models/net.onnx")


@pytest.fixture
def net(register, wheels):
    make_wheel(wheels, "tiny_net", {"tiny_net/models/net.onnx": CONTENT, "tiny_net/__init__.py": b"raise RuntimeError"})
    register("net", (SOURCE,), CONTENT)


def forbid_sources(monkeypatch):
    def called(*_):
        raise AssertionError("a source was asked although the file is there")

    monkeypatch.setattr(Source, "deliver", called)


def test_a_file_is_fetched_verified_and_nothing_else_stays(net, root, temporary):
    assert fetch("net", root).read_bytes() == CONTENT
    assert tree(root) == ["assets", "assets/net"]
    assert tree(temporary) == []


def test_a_second_call_asks_no_source(net, root, monkeypatch):
    path = fetch("net", root)
    forbid_sources(monkeypatch)
    assert fetch("net", root) == path


def test_a_file_put_in_place_by_hand_is_accepted(net, root, monkeypatch):
    forbid_sources(monkeypatch)
    (root / "assets").mkdir()
    (root / "assets/net").write_bytes(CONTENT)
    assert fetch("net", root) == root / "assets/net"


def test_a_wrong_file_put_in_place_by_hand_stays_untouched(net, root, monkeypatch):
    forbid_sources(monkeypatch)
    (root / "assets").mkdir()
    (root / "assets/net").write_bytes(b"mine")
    with pytest.raises(AssetError, match="Move the file away") as caught:
        fetch("net", root)
    assert sha256(CONTENT) in str(caught.value) and sha256(b"mine") in str(caught.value)
    assert (root / "assets/net").read_bytes() == b"mine"


def test_no_network_is_one_sentence_and_leaves_nothing(register, root, temporary):
    register("net", (SOURCE,), CONTENT)
    with pytest.raises(AssetError) as caught:
        fetch("net", root / "new")
    message = str(caught.value)
    assert "pip download tiny-net==1.0: No matching distribution found for tiny-net==1.0." in message
    assert str(root / "new/assets/net") in message and sha256(CONTENT) in message and "\n" not in message
    assert tree(root) == [] and tree(temporary) == []


def test_no_pip_is_said(net, root, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.executable", "/usr/bin/env")  # knows no -m: a stand-in for a Python without pip
    with pytest.raises(AssetError, match=r"pip download tiny-net==1.0: .+"):
        fetch("net", root)


def test_a_download_with_another_checksum_is_thrown_away(register, wheels, root, temporary):
    make_wheel(wheels, "tiny_net", {"tiny_net/models/net.onnx": b"other"})
    register("net", (SOURCE,), CONTENT)
    with pytest.raises(AssetError, match=f"net has sha256 {sha256(b'other')}"):
        fetch("net", root)
    assert tree(root) == [] and tree(temporary) == []


def test_a_missing_member_is_named(register, wheels, root):
    make_wheel(wheels, "tiny_net", {"tiny_net/models/old.onnx": CONTENT})
    register("net", (SOURCE,), CONTENT)
    with pytest.raises(AssetError, match="tiny_net-1.0-py3-none-any.whl: .*tiny_net/models/net.onnx"):
        fetch("net", root)
    assert tree(root) == []


def test_a_damaged_member_is_a_reason_like_others(net, wheels, root):
    wheel = next(wheels.iterdir())
    data = wheel.read_bytes()
    wheel.write_bytes(data.replace(b"weightsweights", b"weightsWEIGHTS", 1))
    with pytest.raises(AssetError, match="is damaged"):
        fetch("net", root)


def test_the_next_source_is_used_when_one_fails(register, wheels, root):
    make_wheel(wheels, "tiny_net", {"tiny_net/models/net.onnx": CONTENT})
    register("net", (Source("wheel", "not-there==1.0", "net.onnx"), SOURCE), CONTENT)
    assert fetch("net", root).read_bytes() == CONTENT


def test_all_sources_are_named_when_all_fail(register, root):
    register("net", (Source("wheel", "not-there==1.0", "net.onnx"), SOURCE), CONTENT)
    with pytest.raises(AssetError, match=r"not-there==1.0: .+\. pip download tiny-net==1.0: .+\."):
        fetch("net", root)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_download_leaves_nothing(net, root, temporary, monkeypatch, interruption):
    def interrupted(release, folder):
        (folder / "half.whl").write_bytes(b"half")
        raise interruption

    monkeypatch.setattr(sources, "pip_download", interrupted)
    with pytest.raises(interruption):
        fetch("net", root)
    assert tree(root) == [] and tree(temporary) == []


def test_a_place_that_cannot_be_written_is_an_asset_error(net, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AssetError, match="Cannot write asset net to"):
        fetch("net", tmp_path / "file")


def test_the_python_that_a_package_asks_for_does_not_matter(register, wheels, root):
    make_wheel(wheels, "tiny_net", {"tiny_net/models/net.onnx": CONTENT}, requires_python=">=9")
    register("net", (SOURCE,), CONTENT)
    assert fetch("net", root).read_bytes() == CONTENT


def test_a_package_shared_by_two_assets_is_downloaded_once(register, wheels, root, monkeypatch):
    make_wheel(wheels, "tiny_net", {"tiny_net/models/net.onnx": CONTENT, "tiny_net/models/two.onnx": b"two"})
    register("net", (SOURCE,), CONTENT)
    register("two", (Source("wheel", "tiny-net==1.0", "tiny_net/models/two.onnx"),), b"two")
    runs, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: runs.append(args) or run(*args, **options))
    paths = fetch_all(root=root)
    assert paths == {"net": root / "assets/net", "two": root / "assets/two"}
    assert len(runs) == 1


def test_a_wrong_file_is_found_before_anything_is_downloaded(net, register, root, monkeypatch):
    register("two", (SOURCE,), b"two")
    (root / "assets").mkdir()
    (root / "assets/two").write_bytes(b"wrong")
    forbid_sources(monkeypatch)
    with pytest.raises(AssetError, match="Asset two"):
        fetch_all(root=root)


def test_status_tells_verified_wrong_and_missing(net, register, root):
    register("two", (SOURCE,), b"two")
    register("three", (SOURCE,), b"three")
    fetch("net", root)
    (root / "assets/two").write_bytes(b"wrong")
    assert list(status(root).items()) == [("net", "verified"), ("two", "wrong"), ("three", "missing")]


def test_an_unknown_name_lists_the_known_ones(net, root):
    with pytest.raises(InputError, match="Unknown asset 'nett'; choose one of net"):
        fetch("nett", root)


def test_a_download_is_one_line_on_stderr(net, root, capsys):
    fetch("net", root)
    fetch("net", root)
    assert capsys.readouterr().err == "Fetching net: pip download tiny-net==1.0\n"


def test_what_cannot_be_fetched_holds_up_nothing_else(net, register, root):
    register("one", (Source("wheel", "not-there==1.0", "net.onnx"),), b"one")
    register("two", (Source("wheel", "not-there==2.0", "net.onnx"),), b"two")
    with pytest.raises(AssetError, match=r"asset one\. .+ asset two\. "):
        fetch_all(["one", "net", "two"], root)
    assert tree(root) == ["assets", "assets/net"]
