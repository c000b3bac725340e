"""dvc.yaml and the notebooks tell the truth about each other: imports, parameters, outputs."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from student.settings import Settings

from prefiqs.pipeline.params import Params, load_params

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "training" / "notebooks").glob("*.ipynb")])
ALL_BODIES = {
    name: stage
    for pipeline in ("dvc.yaml", "training/dvc.yaml")
    for name, stage in yaml.safe_load((ROOT / pipeline).read_text(encoding="utf-8"))["stages"].items()
}
# Stages that are no notebook, by the room whose command they call: the site makes pages of what the notebooks found,
# and finds nothing itself that a notebook would have to explain.
COMMANDS = {"site": "site"}
BODIES = {name: stage for name, stage in ALL_BODIES.items() if name not in COMMANDS}
TRAINING = ("teach", "distil")
FOR_USERS = {ROOT / "notebooks" / "score_your_own_photos.ipynb"}  # started by hand, on photos of one's own
SOURCES = ROOT / "src" / "prefiqs"
# Top-level names that are lazy doors into rooms.
DOORS = dict(re.findall(r'"(\w+)": "prefiqs\.(\w+)', (SOURCES / "__init__.py").read_text(encoding="utf-8")))


def code_of(notebook: Path) -> list[str]:
    return [c.source for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]


def notebook_of(stage: dict) -> Path:
    return ROOT / re.search(r"(training/)?notebooks/\S+\.ipynb", stage["cmd"]).group()


def modules_imported(tree: ast.AST) -> set[str]:
    """Names like `core.config` that a module imports from prefiqs, with lazy top-level names resolved."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "prefiqs":
            found |= {DOORS.get(alias.name, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prefiqs."):
            found.add(node.module.removeprefix("prefiqs."))
    return found


def room_of(module: str) -> str:
    return module.split(".")[0]


def files_of(module: str) -> list[Path]:
    path = SOURCES / module.replace(".", "/")
    return [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))


def rooms_reached(modules: set[str]) -> set[str]:
    """The rooms whose code runs when these modules are imported."""
    seen, waiting = set(), set(modules)
    while waiting:
        module = waiting.pop()
        seen.add(module)
        for file in files_of(module):
            waiting |= modules_imported(ast.parse(file.read_text(encoding="utf-8"))) - seen
    return {room_of(m) for m in seen if room_of(m) != "api"}


@pytest.mark.parametrize("name", BODIES)
def test_dependencies_are_the_notebook_and_the_rooms_it_imports(name):
    stage, notebook = BODIES[name], notebook_of(BODIES[name])
    own = set().union(*(modules_imported(ast.parse(cell)) for cell in code_of(notebook)))
    # Every stage is rendered by reporting.
    expected = {room_of(m) for m in own if room_of(m) != "api"} | {"reporting", "core"}
    if "api" in own:
        expected |= {"imaging"}
    listed = {Path(d).name for d in stage["deps"] if d.startswith("src/prefiqs/")}
    assert expected <= listed, "a room is imported but not listed"
    assert listed <= rooms_reached(own) | {"reporting", "core"}, "a room is listed but not imported"
    assert notebook.relative_to(ROOT).as_posix() in stage["deps"]


@pytest.mark.parametrize("name", TRAINING)
def test_params_of_the_training_are_the_blocks_that_the_notebook_reads(name):
    code = "\n".join(code_of(notebook_of(BODIES[name])))
    read = {b for b in Settings.__annotations__ if re.search(rf"settings\.{b}\b", code)}
    assert BODIES[name]["wdir"] == ".."
    assert BODIES[name]["params"] == [{"training/params.yaml": sorted(read)}]


@pytest.mark.parametrize("name", sorted(BODIES.keys() - set(TRAINING)))
def test_params_are_the_blocks_that_the_notebook_reads(name):
    code = "\n".join(code_of(notebook_of(BODIES[name])))
    blocks = Params.__annotations__.keys()
    read = {b for b in blocks if re.search(rf"(params|load_params\(\))\.{b}\b", code)}
    if re.search(r"\b(paper_claims|report_text)\(", code):
        text = (SOURCES / "reporting" / "report.py").read_text(encoding="utf-8")
        read |= {b for b in blocks if re.search(rf"params\.{b}\b", text)}
    assert {key.split(".")[0] for key in BODIES[name].get("params", [])} == read


@pytest.mark.parametrize("name", BODIES)
def test_the_command_passes_only_declared_parameters(name):
    notebook = notebook_of(BODIES[name])
    cells = [c for c in nbformat.read(notebook, as_version=4).cells if "parameters" in c.metadata.get("tags", [])]
    assert len(cells) == 1
    declared = {t.id for n in ast.parse(cells[0].source).body for t in n.targets}
    assert set(re.findall(r"-p (\w+)=", BODIES[name]["cmd"])) <= declared


@pytest.mark.parametrize(("name", "room"), COMMANDS.items())
def test_a_command_in_place_of_a_notebook_declares_what_its_room_needs(name, room):
    stage, code = ALL_BODIES[name], [p.read_text(encoding="utf-8") for p in files_of(room)]
    assert stage["cmd"].startswith(f"prefiqs {room} ")
    imported = {room_of(m) for text in code for m in modules_imported(ast.parse(text))}
    assert imported == {Path(d).name for d in stage["deps"] if d.startswith("src/prefiqs/")}
    read = {b for b in Params.__annotations__ if any(re.search(rf"params\.{b}\b", text) for text in code)}
    assert set(stage["params"]) == read


def test_every_notebook_belongs_to_a_stage():
    assert {notebook_of(body) for body in BODIES.values()} == set(NOTEBOOKS) - FOR_USERS
    assert set(NOTEBOOKS) > FOR_USERS


def test_the_list_of_all_benchmarks_is_complete():
    # dvc.yaml cannot join lists, so params.yaml names all benchmarks and both kinds
    benchmarks = load_params(ROOT / "params.yaml").benchmarks
    assert benchmarks.all == benchmarks.photos + [c.name for c in benchmarks.cross_quality]
    assert set(benchmarks.paired) <= set(benchmarks.all)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_thin_and_stripped(notebook):
    content = nbformat.read(notebook, as_version=4)
    assert content.cells[0].cell_type == "markdown", "a notebook opens with what it does and why"
    assert [c.source for c in content.cells if c.cell_type == "markdown"][-1] == "## What was found"
    assert content.cells[-1].cell_type == "code", "findings are computed"
    for cell in content.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert not any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in ast.walk(ast.parse(cell.source)))
            assert len([line for line in cell.source.splitlines() if line.strip()]) <= 15


def test_analytics_are_off_and_caches_do_not_make_stages_stale():
    assert "analytics = false" in (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    assert "__pycache__/" in (ROOT / ".dvcignore").read_text(encoding="utf-8").split()
