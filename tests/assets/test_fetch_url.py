"""Assets from plain addresses, served by a web server on this machine."""

import functools
import http.server
import threading

import pytest

from prefiqs.assets.fetch import fetch
from prefiqs.assets.sources import Source
from prefiqs.errors import AssetError

from .conftest import tree

CONTENT = b"weights" * 1000


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Keep the test output clean."""


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "net.onnx").write_bytes(CONTENT)
    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_an_address_is_a_second_source(register, server, root, temporary):
    register("net", (Source("wheel", "not-there==1.0", "net.onnx"), Source("url", f"{server}/net.onnx")), CONTENT)
    assert fetch("net", root).read_bytes() == CONTENT
    assert tree(root) == ["assets", "assets/net"] and tree(temporary) == []


def test_an_address_without_the_file_is_a_reason(register, server, root):
    register("net", (Source("url", f"{server}/old.onnx"),), CONTENT)
    with pytest.raises(AssetError, match="old.onnx: HTTP Error 404"):
        fetch("net", root)
    assert tree(root) == []


def test_an_address_that_does_not_answer_is_a_reason(register, root):
    register("net", (Source("url", "http://127.0.0.1:9/net.onnx"),), CONTENT)
    with pytest.raises(AssetError, match=r"http://127.0.0.1:9/net.onnx: urlopen error .*refused"):
        fetch("net", root)
