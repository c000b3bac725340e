"""Notebooks as stages: parameters, failures, and a page that is the same each time."""

import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from prefiqs.errors import InputError, PrefiqsError
from prefiqs.pipeline.notebooks import run_notebook


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_notebook(project, *code):
    parameters = new_code_cell("ratio = 0.1\nkinds = [\n    'blur',\n]", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Claim\n\nD = ‖ê_θ(x) − ê_θρ(x)‖₂"), parameters, *map(new_code_cell, code)]
    nbformat.write(new_notebook(cells=cells), project / "study.ipynb")
    return project / "study.ipynb"


def test_a_run_is_rendered_to_the_same_page_each_time(project):
    source = write_notebook(
        project,
        "import pathlib, sys, time, warnings\nprint(ratio, kinds)\ntime.sleep(0.5)\nprint('later')",
        "warnings.warn('care' + 'ful')",
        "print(sys.executable, file=pathlib.Path('which').open('w'))",
        "from prefiqs.reporting.figures import face_grid\nimport numpy as np\n"
        "face_grid(np.zeros((2, 112, 112, 3), np.uint8))",
    )
    before = source.read_bytes()
    for name in ("one", "two"):
        run_notebook(source, project / "reports" / name / "study.html", {"ratio": 0.4, "kinds": ["jpeg"]})
    page = (project / "reports" / "one" / "study.html").read_text(encoding="utf-8")
    assert page == (project / "reports" / "two" / "study.html").read_text(encoding="utf-8")

    assert "<title>study</title>" in page and "D = ‖ê_θ(x) − ê_θρ(x)‖₂" in page
    assert "0.4 ['jpeg']\nlater" in page, "text printed at different times must stand together"
    assert page.count('src="data:image/png;base64,') == 1
    assert "<script" not in page and 'src="http' not in page, "the page must be readable offline"
    assert "careful" not in page and str(project) not in page and sys.prefix not in page
    assert 'class="jp-InputPrompt' not in page and 'class="jp-OutputPrompt' not in page
    assert len(page) < 60_000, "style must not outweigh content"

    assert (project / "which").read_text().strip() == sys.executable
    assert source.read_bytes() == before
    assert sorted(path.name for path in project.iterdir()) == ["data", "reports", "study.ipynb", "which"]
    executed = nbformat.read(project / "data" / "executed" / "study.ipynb", as_version=4)
    assert "careful" in str(executed.cells) and "papermill" in executed.metadata


def test_an_undeclared_parameter_is_refused_before_anything_runs(project):
    source = write_notebook(project, "open('ran', 'w')")
    with pytest.raises(InputError, match=r"rato not declared by .*study\.ipynb.*ratio, kinds"):
        run_notebook(source, project / "study.html", {"rato": 0.4})
    assert sorted(path.name for path in project.iterdir()) == ["study.ipynb"]


def test_a_missing_notebook_is_named(project):
    with pytest.raises(InputError, match=r"absent\.ipynb"):
        run_notebook(project / "absent.ipynb", project / "absent.html", {})


def test_a_failing_cell_gives_one_sentence_and_keeps_the_executed_notebook(project):
    source = write_notebook(project, "print('so far')", "raise ValueError('no faces in\\nthis folder')")
    with pytest.raises(PrefiqsError) as caught:
        run_notebook(source, project / "study.html", {"ratio": 0.4})
    # the cells with parameters, given and injected, are the first and second
    assert str(caught.value) == (
        f"{source} stopped in code cell 4 with ValueError: no faces in; data/executed/study.ipynb shows the cell."
    )
    assert not (project / "study.html").exists()
    assert "so far" in (project / "data" / "executed" / "study.ipynb").read_text()


def test_a_dead_kernel_is_told_from_a_failing_cell(project):
    source = write_notebook(project, "import os\nos._exit(1)")
    with pytest.raises(PrefiqsError, match="died"):
        run_notebook(source, project / "study.html", {})
