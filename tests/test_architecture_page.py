"""The graph of docs/architecture.md is that of the code."""

import re
from pathlib import Path

from tests.test_public_interface import FILES, MAY_IMPORT, PACKAGE, imported, room


def test_the_graph_shows_who_imports_whom():
    rooms = {name for name in MAY_IMPORT if (PACKAGE / name).is_dir()} - {"core"}  # which all build on
    edges = {
        (module.split(".")[1], room(path))
        for path in FILES
        for module in imported(path)
        if module.startswith("prefiqs.") and room(path) in rooms
    }
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^  (\w+) --> (\w+)$", page, re.MULTILINE))
    assert drawn == {(a, b) for a, b in edges if a in rooms and a != b}
