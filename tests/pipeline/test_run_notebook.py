"""Notebooks as stages: parameters, failures, and an executed notebook that is the same each time."""

import sys
from base64 import b64decode

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from prefiqs.errors import InputError, PrefiqsError
from prefiqs.pipeline.notebooks import run_notebook
from prefiqs.reporting.figures.style import SHOWN, as_png, new_figure


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_notebook(project, *code):
    parameters = "ratio = 0.1\nkinds = [\n    'blur',\n]\nout = ''"
    cells = [
        new_markdown_cell("# Claim\n\n$$ D = 1 $$"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(new_code_cell, code),
    ]
    nbformat.write(new_notebook(cells=cells), project / "study.ipynb")
    return project / "study.ipynb"


def test_a_run_gives_the_same_notebook_each_time_and_no_trace_of_the_machine(project):
    source = write_notebook(
        project,
        "import pathlib, sys, time, warnings\nprint(ratio, kinds)\ntime.sleep(0.5)\nprint('later')",
        "warnings.warn('care' + 'ful')",
        "print(sys.executable, file=pathlib.Path('which').open('w'))",
        "pathlib.Path('out').write_text(out)",
        "from matplotlib import pyplot\nfrom prefiqs.reporting.figures.style import new_figure\nnew_figure(1)",
    )
    before = source.read_bytes()
    texts = []
    for _ in range(2):
        assert run_notebook(source, project / "results" / "item", {"ratio": 0.4, "kinds": ["jpeg"]}) > 0.5
        texts.append((project / "results" / "item" / "study.ipynb").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    executed = nbformat.reads(texts[0], as_version=4)
    nbformat.validate(executed)
    assert executed.cells[0].source == "# Claim\n\n$$ D = 1 $$"
    outputs = [output for cell in executed.cells[2:] for output in cell.outputs]
    assert outputs[0].text == "0.4 ['jpeg']\nlater\n", "text printed at different times must stand together"
    assert b64decode(outputs[-1].data["image/png"]) == as_png(new_figure(1), SHOWN), "pyplot would show it larger"
    assert "careful" not in "".join(str(output) for output in outputs) and sys.prefix not in texts[0]
    assert "papermill" not in texts[0] and '"execution"' not in texts[0]
    assert (project / "which").read_text().strip() == sys.executable
    assert (project / "out").read_text() == (project / "results" / "item").as_posix()
    assert source.read_bytes() == before


def test_an_undeclared_parameter_is_refused_before_anything_runs(project):
    source = write_notebook(project, "open('ran', 'w')")
    with pytest.raises(InputError, match=r"study\.ipynb has no parameter 'rato'; .* declares ratio, kinds, out"):
        run_notebook(source, project / "results", {"rato": 0.4})
    assert sorted(path.name for path in project.iterdir()) == ["study.ipynb"]


def test_a_missing_notebook_is_named(project):
    with pytest.raises(InputError, match=r"Notebook not found: .*absent\.ipynb"):
        run_notebook(project / "absent.ipynb", project / "results", {})


def test_a_failing_cell_gives_one_sentence_and_keeps_the_executed_notebook(project):
    source = write_notebook(project, "print('so far')", "raise ValueError('no faces in\\nthis folder')")
    with pytest.raises(PrefiqsError) as caught:
        run_notebook(source, project / "results", {"ratio": 0.4})
    # the cells with parameters, declared and injected, are the first and second
    assert str(caught.value) == (
        f"{source} stopped in code cell 4 with ValueError: no faces in. See data/executed/study-0.4.ipynb."
    )
    assert not (project / "results").exists()
    assert "so far" in (project / "data" / "executed" / "study-0.4.ipynb").read_text()


def test_a_dead_kernel_is_told_from_a_failing_cell(project):
    source = write_notebook(project, "import os\nos._exit(1)")
    with pytest.raises(PrefiqsError, match="its Python process died"):
        run_notebook(source, project / "results", {})
