"""Assets that come with the package itself."""

import pytest

from prefiqs.assets.fetch import fetch
from prefiqs.assets.sources import Bundled
from prefiqs.errors import AssetError

from .conftest import tree


def test_a_bundled_file_is_copied(register, root):
    register("licence", (Bundled("assets/orl.sha256"),), bundled := _bundled())
    assert fetch("licence", root).read_bytes() == bundled


def test_a_bundled_file_that_was_changed_or_left_out_is_a_reason(register, root):
    register("changed", (Bundled("assets/orl.sha256"), Bundled("assets/absent.bin")), b"something else")
    with pytest.raises(AssetError, match=r"orl.sha256 .*something else.*absent.bin .*\(not in this installation\)"):
        fetch("changed", root)
    assert tree(root) == []


def _bundled() -> bytes:
    from importlib.resources import files

    return files("prefiqs.assets").joinpath("orl.sha256").read_bytes()
