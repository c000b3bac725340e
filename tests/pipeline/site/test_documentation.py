"""The documentation as a site: whole, in the navigation, with references made from the code."""

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import prefiqs
from prefiqs.cli import COMMANDS
from prefiqs.pipeline.site.build import build_site

ROOT = Path(__file__).parents[3]


def test_every_page_of_the_documentation_is_in_the_navigation():
    listed = re.findall(r": (docs/\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))


@pytest.mark.long
def test_the_references_hold_every_command_and_every_public_name(tmp_path):
    """The build is strict, so a broken link anywhere in the documentation or the published results fails here, too."""
    site = build_site(ROOT, tmp_path / "site")
    headings = {
        page: [
            h.get_text().rstrip("¶") for h in soup(site / "docs" / "reference" / f"{page}.html").find_all(["h2", "h3"])
        ]
        for page in ("command-line", "python")
    }
    assert {f"prefiqs {name.replace('_', '-')}" for name in COMMANDS} < set(headings["command-line"])
    assert set(prefiqs._MODULE_OF) < set(headings["python"])
    python = soup(site / "docs" / "reference" / "python.html").get_text()
    assert "Prepare everything from photo to score once" in python and "photo_scorer(" in python


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
