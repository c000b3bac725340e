"""The notebook for one's own photos, on a folder of seven."""

import re
from pathlib import Path

import nbformat
import pytest

from prefiqs.pipeline.notebooks import run_notebook

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "score_your_own_photos.ipynb"


@pytest.mark.long
def test_the_notebook_runs_on_a_folder(photos, tmp_path, monkeypatch, assets):
    monkeypatch.setenv("PREFIQS_DATA", str(assets["yunet"].parents[1]))
    monkeypatch.chdir(tmp_path)
    run_notebook(NOTEBOOK, tmp_path / "out", {"photos": str(photos[0].parent)})
    notebook = nbformat.read(tmp_path / "out" / NOTEBOOK.name, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "7 photos, 5 scored, 2 without a score" in text
    assert re.search(r"prefiqs sface \([0-9a-f]{12}\) ratio=0.4", text)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    best, worst = re.search(r"Best: (\S+); worst: (\S+)\.\n", text).groups()
    assert best != worst and {best, worst} < {photo.name for photo in photos}
    assert "is not an image that can be read" in text
