"""The tutorials run as they are in a plain clone, and what they print is true."""

import ast
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest

from prefiqs.pipeline.notebooks import run_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
TUTORIALS = ("tutorial_quality_in_ten_minutes", "score_your_own_photos", "your_own_recogniser")


@pytest.fixture
def run(assets, tmp_path, monkeypatch):
    """Runs a tutorial in an empty folder; returns the text of all outputs, and how many pictures there are."""
    monkeypatch.setenv("PREFIQS_DATA", str(assets["yunet"].parents[1]))
    monkeypatch.chdir(tmp_path)

    def run(name: str, **parameters) -> tuple[str, int]:
        run_notebook(NOTEBOOKS / f"{name}.ipynb", tmp_path / "out", parameters)
        notebook = nbformat.read(tmp_path / "out" / f"{name}.ipynb", as_version=4)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
        data = [output.get("data", {}) for output in outputs]
        texts = [output.get("text") or shown.get("text/plain", "") for output, shown in zip(outputs, data, strict=True)]
        return "\n".join(texts), sum("image/png" in shown for shown in data)

    return run


@pytest.mark.parametrize("name", TUTORIALS)
def test_links_lead_somewhere_and_tutorials_name_one_another(name):
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    links = re.findall(r"\]\((?!https:)([^)#]+)", "\n".join(c.source for c in cells if c.cell_type == "markdown"))
    assert all((NOTEBOOKS / link).is_file() for link in links)
    assert {f"{other}.ipynb" for other in TUTORIALS if other != name} <= set(links)
    assert "## Where to go next" in cells[-1].source


@pytest.mark.parametrize("name", TUTORIALS)
def test_executed_copies_are_those_of_todays_notebooks(name):
    """`make tutorials` makes them again."""
    folder = ROOT / "reports" / "tutorials"
    source, executed = (nbformat.read(place / f"{name}.ipynb", as_version=4).cells for place in (NOTEBOOKS, folder))

    def linked(cell) -> str:
        """The text of a cell as its copy has it: other tutorials lie beside the copy, other files where they were."""
        links = re.findall(r"\]\((?!https:)([^)]+)\)", cell.source) if cell.cell_type == "markdown" else ()
        away = [link for link in links if not (folder / link).is_file()]
        moved = {link: f"../../notebooks/{link}".replace("notebooks/../", "") for link in away}
        return re.sub(r"\]\((.+?)\)", lambda found: f"]({moved.get(found[1], found[1])})", cell.source)

    assert [(c.cell_type, c.source) for c in executed] == [(c.cell_type, linked(c)) for c in source]
    assert any(cell.get("outputs") for cell in executed)
    text = "\n".join(cell.source for cell in executed if cell.cell_type == "markdown")
    assert all((folder / link).is_file() for link in re.findall(r"\]\((?!https:)([^)#]+)", text))
    printed = json.dumps([cell.get("outputs", []) for cell in executed])
    assert not re.search(r'[\s\'"]/(?:home|root|tmp|work|Users)/', printed), "no path of a machine"


@pytest.mark.long
def test_quality_in_ten_minutes(run):
    text, _ = run("tutorial_quality_in_ten_minutes")
    assert "40% of the weights of sface are now zero." in text
    kept = [float(rate) for rate in re.findall(r"([\d.]+)%(?: of the genuine pairs do not match|\.$)", text, re.M)]
    assert len(kept) == 3 and kept == sorted(kept, reverse=True), "discarding must help"
    areas = re.findall(r"pAUC·10³ of (.+): ([\d.]+)", text)
    assert len(areas) == 4 and areas[-1][0] == "random order", "sorted, and every score beats random order"


def test_the_slider_of_the_tutorial_shows_the_row_of_each_ratio(monkeypatch):
    """With a stand-in for ipywidgets, which is not installed here, in the two cells that it concerns."""
    shown = {}

    def interact(show, *, rho):
        assert rho.value in rho.options
        shown.update({ratio: show(ratio) for ratio in rho.options})

    monkeypatch.setitem(sys.modules, "ipywidgets", SimpleNamespace(SelectionSlider=SimpleNamespace, interact=interact))
    cells = nbformat.read(NOTEBOOKS / "tutorial_quality_in_ten_minutes.ipynb", as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    (slider,) = (source for source in sources if "ipywidgets" in source)
    ratios = next(re.search(r"^ratios = (.+)$", source, re.M) for source in sources if "ratios = " in source)
    rows = {ratio: f"row of {ratio}" for ratio in ast.literal_eval(ratios[1])}
    exec(compile(slider, "slider", "exec"), {"rows": rows})
    assert shown == rows


@pytest.mark.long
def test_score_your_own_photos(run):
    text, pictures = run("score_your_own_photos")
    assert "100 photos, 100 scored, 0 without a score." in text
    assert "rejects 5 of 100 faces" in text, "the share of 0.05 that is asked for"
    assert pictures == 4


def test_the_photos_of_a_tutorial_may_lie_in_its_own_folder():
    """`portrait.jpg` or `*.jpg`, which have no folder in their paths; as all others, they are shown without it."""
    cells = nbformat.read(NOTEBOOKS / "score_your_own_photos.ipynb", as_version=4).cells
    imports = next(cell.source for cell in cells if "import commonpath" in cell.source)
    (shown,) = re.findall(r"^folder = .+\n.+$", "\n\n".join(cell.source for cell in cells), re.M)
    for paths, names in {
        ("portrait.jpg",): ["portrait.jpg"], ("1.jpg", "2.jpg"): ["1.jpg", "2.jpg"],
        ("all/a/1.jpg", "all/b/2.jpg"): ["a/1.jpg", "b/2.jpg"],
    }.items():  # fmt: skip
        table = pd.DataFrame({"path": paths})
        exec(f"{imports}\n{shown}", {"table": table})
        assert table["photo"].tolist() == names


@pytest.mark.long
def test_your_own_recogniser(run):
    text, _ = run("your_own_recogniser")
    rates = re.findall(r"then the FNMR is ([\d.]+)%", text)
    assert rates and max(map(float, rates)) <= 2, "the target FNMR"
    decisions = dict(re.findall(r"^s10/(\d+)\.png \S+ (accept|reject)$", text, re.M))
    assert decisions["8"] == "reject", "the strongly blurred one"
    assert np.mean([decision == "accept" for decision in decisions.values()]) > 0.5
