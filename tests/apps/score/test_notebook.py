"""The notebook for one's own photos, on a folder of seven."""

import re
from pathlib import Path

import pytest

from prefiqs.pipeline.notebooks import run_notebook

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "score_your_own_photos.ipynb"


@pytest.mark.long
def test_the_notebook_runs_on_a_folder(photos, tmp_path, monkeypatch, assets):
    monkeypatch.setenv("PREFIQS_DATA", str(assets["yunet"].parents[1]))
    monkeypatch.chdir(tmp_path)
    run_notebook(NOTEBOOK, tmp_path / "page.html", {"photos": str(photos[0].parent)})
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "7 photos, 5 scored, 2 without a score (prefiqs sface ratio=0.4" in page
    assert page.count('src="data:image/png;base64,') == 3
    best, worst = re.search(r"Best: (\S+); worst: (\S+)\.\n", page).groups()
    assert best != worst and {best, worst} < set(map(str, photos))
    assert "got a file that is no image OpenCV can read" in page
