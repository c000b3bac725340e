"""dvc.yaml, the notebooks and their studies tell the truth about each other: imports, parameters, outputs."""

import ast
import inspect
import re
from pathlib import Path

import nbformat
import pytest
import yaml

import prefiqs
from prefiqs.pipeline.params import Params

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "prefiqs"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TUTORIALS = {n for n in NOTEBOOKS if not n.stem[0].isdigit()}  # run by hand, and by tests/test_tutorials.py
BY_NOTEBOOK = {name: stage for name, stage in STAGES.items() if stage["cmd"].startswith("prefiqs notebook ")}
# What only names and finds things is no dependency: a change there shows in paths, keys or parameters, and a change of
# where assets come from in the assets themselves.
GROUND = {f"pipeline/{name}.py" for name in ("identity", "params", "run")}
GROUND |= {"errors.py", "pruning/spec.py", "methods/registry.py", "methods/_scorer.py", "faces/template.py"}


def notebook_of(stage: dict) -> Path:
    return ROOT / re.search(r"notebooks/\S+\.ipynb", stage["cmd"]).group()


def code_of(notebook: Path) -> list[str]:
    return [c.source for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]


def modules_imported(code: str) -> set[str]:
    """Modules of the package that code imports anywhere, public names resolved, such as `pipeline.run`."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module == "prefiqs":
            found |= {prefiqs._MODULE_OF.get(alias.name, alias.name) for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "score":  # by the name of a method
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            found |= {f"methods.{name.replace('-', '_')}" for name in names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prefiqs."):
            module = node.module.removeprefix("prefiqs.")
            found.add(module)
            found |= {f"{module}.{a.name}" for a in node.names if file_of(f"{module}.{a.name}")}
    return found


def file_of(module: str) -> Path | None:
    path = SOURCES / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def files_reached(codes: list[str], through_ground: bool) -> set[str]:
    """Every file of the package whose code runs when these codes are imported, its ground and assets left out."""
    waiting, seen = set().union(*map(modules_imported, codes)), set()
    files = set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        if file := file_of(module):
            name = file.relative_to(SOURCES).as_posix()
            if through_ground or name not in GROUND:
                files.add(name)
                waiting |= modules_imported(file.read_text(encoding="utf-8")) - seen
    return {name for name in files if not name.endswith("__init__.py")}


def listed(stage: dict) -> list[str]:
    return [dep.removeprefix("src/prefiqs/") for dep in stage["deps"] if dep.startswith("src/prefiqs/")]


@pytest.mark.parametrize("name", BY_NOTEBOOK)
def test_dependencies_are_the_notebook_and_the_code_that_it_runs(name):
    stage, notebook = STAGES[name], notebook_of(STAGES[name])
    codes, deps = code_of(notebook), listed(stage)
    reached = {name for name in files_reached(codes, through_ground=False) if not name.startswith("assets/")}
    assert not {name for name in reached if not any(name == dep or name.startswith(f"{dep}/") for dep in deps)}
    reachable = files_reached(codes, through_ground=True)
    for dep in (re.sub(r"\.md\.j2$", ".py", dep) for dep in deps):  # a template belongs to the module of its name
        assert any(name == dep or name.startswith(f"{dep}/") for name in reachable), f"{dep} does not run"
    assert notebook.relative_to(ROOT).as_posix() in stage["deps"] and "requirements.lock" in stage["deps"]
    assert f"pipeline/studies/{study_of(notebook)}.py" in deps


def study_of(notebook: Path) -> str:
    return re.sub(r"^\d\d_", "", notebook.stem)


@pytest.mark.parametrize(("folder", "stages"), [("datasets", {"align"}), ("methods", {"fetch", "method", "cost"})])
def test_a_new_file_runs_only_the_stages_that_use_every_file_of_its_folder(folder, stages):
    new = f"src/prefiqs/{folder}/new.py"
    assert {name for name, stage in STAGES.items() if any(new.startswith(f"{dep}/") for dep in stage["deps"])} == stages


def keys_of(block: str, name: str) -> set[str]:
    """The keys of a block of params.yaml behind an attribute of it: a key itself, or what a property reads."""
    kind = Params.model_fields[block].annotation
    if name in kind.model_fields or not hasattr(kind, name):
        return {f"{block}.{name}"} & {f"{block}.{key}" for key in kind.model_fields}
    member = getattr(kind, name)
    code = inspect.getsource(member.fget if isinstance(member, property) else member)
    return set().union(*(keys_of(block, other) for other in re.findall(r"\bself\.(\w+)", code)))


def keys_read(code: str) -> set[str]:
    """The blocks of params.yaml that code names, and their keys: `params.edc.fmr`, or `edc.fmr` beside `params.edc`."""
    blocks = set(re.findall(rf"\bparams\.({'|'.join(Params.model_fields)})\b", code)) - {"run"}
    named = {(block, name) for block in blocks for name in re.findall(rf"(?<!prefiqs\.)\b{block}\.(\w+)", code)}
    return blocks.union(*(keys_of(*each) for each in named))


def is_declared(key: str, declared: list[str]) -> bool:
    return any(key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in declared)


@pytest.mark.parametrize("name", BY_NOTEBOOK)
def test_parameters_are_those_that_the_study_reads(name):
    """A block, or single keys of one where a stage reads no more; what the code names must be listed."""
    study = SOURCES / "pipeline" / "studies" / f"{study_of(notebook_of(STAGES[name]))}.py"
    texts = [path.read_text(encoding="utf-8") for path in (study, study.with_suffix(".md.j2")) if path.is_file()]
    read = keys_read("\n".join([*code_of(notebook_of(STAGES[name])), *texts]))
    declared = list(map(str, STAGES[name].get("params", [])))
    assert not {key for key in read if not is_declared(key, declared)}, "read but not declared"


def test_keys_are_found_behind_properties_and_short_names():
    code = "protocol, embed = run.params.edc.at_first_fmr, run.params.embed\nprint(embed.device, embed.nothing)"
    keys = {f"edc.{key}" for key in ("fmr", "threshold", "rule", "step", "limit")}
    assert keys_read(code) == keys | {"edc", "embed", "embed.device"}


def test_the_report_depends_on_every_list_that_makes_items():
    """Or a removed item would stay in it, because DVC keeps the files of items that are gone."""
    lists = {key[2:-1] for stage in STAGES.values() for key in stage.get("matrix", {}).values()}
    assert len(lists) > 8 and not {key for key in lists if not is_declared(key, STAGES["report"]["params"])}


def test_folders_that_are_read_exist_even_if_no_item_fills_them():
    """In a fresh clone, and in the temporary ones that `dvc exp run --temp` makes."""
    never_empty = {"${benchmarks.paired}", "${models.quality}"}
    filled = [
        str(out if isinstance(out, str) else next(iter(out)))
        for stage in STAGES.values()
        if set(stage.get("matrix", {}).values()) <= never_empty
        for out in stage["outs"]
    ]
    tracked = [path.relative_to(ROOT).as_posix() for path in (ROOT / "data").glob("**/README.md")]
    read = {dep for stage in STAGES.values() for dep in stage["deps"] if dep.startswith("data/") and "${" not in dep}
    assert "data/results/jacobian" in read
    assert not {dep for dep in read if not any(f"{path}/".startswith(f"{dep}/") for path in [*filled, *tracked])}


@pytest.mark.parametrize("name", BY_NOTEBOOK)
def test_the_command_passes_declared_parameters_and_the_folder_that_is_an_output(name):
    stage = STAGES[name]
    cells = [
        c for c in nbformat.read(notebook_of(stage), as_version=4).cells if "parameters" in c.metadata.get("tags", [])
    ]
    assert len(cells) == 1
    declared = {t.id for n in ast.parse(cells[0].source).body for t in n.targets}
    assert set(re.findall(r"-p (\w+)=", stage["cmd"])) == declared - {"out"}
    folder = stage["cmd"].split()[3]
    assert folder in stage["outs"]
    stem = re.sub(r"-(degraded|pair-sets)$", "", name)
    assert folder.startswith(f"data/results/{stem}") or folder == "data/report"


def test_no_stage_writes_single_files_and_every_item_has_a_folder():
    for name, stage in STAGES.items():
        outs = [out if isinstance(out, str) else next(iter(out)) for out in stage["outs"]]
        assert all(not Path(re.sub(r"\$\{[^}]*\}", "x", out)).suffix for out in outs), name
        for key in stage.get("matrix", {}):
            assert all(f"${{item.{key}" in out for out in outs), name


def test_every_notebook_belongs_to_a_stage_in_the_order_of_their_numbers():
    used = list(dict.fromkeys(notebook_of(stage) for stage in BY_NOTEBOOK.values()))
    assert used == sorted(used) == [n for n in NOTEBOOKS if n not in TUTORIALS]
    numbers = [int(path.stem[:2]) for path in used]
    assert numbers == list(range(1, len(used) + 1))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_thin_and_stripped(notebook):
    content = nbformat.read(notebook, as_version=4)
    assert content.cells[0].cell_type == "markdown", "a notebook opens with what it does and why"
    cells = content.cells[: -1 if notebook in TUTORIALS else None]  # a tutorial then says where to go next
    assert any("## What was found" in c.source for c in cells[-4:] if c.cell_type == "markdown")
    assert cells[-1].cell_type == "code", "findings are computed"
    for cell in content.cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source)
            assert not cell.outputs and cell.execution_count is None
            assert not any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in ast.walk(tree))
            assert len([line for line in cell.source.splitlines() if line.strip()]) <= 12
            assert all(len(line) <= 100 for line in cell.source.splitlines())
            nested = [n for n in ast.walk(tree) if isinstance(n, ast.ListComp | ast.DictComp | ast.GeneratorExp)]
            assert all(len(n.generators) == 1 for n in nested)


@pytest.mark.parametrize("notebook", [n for n in NOTEBOOKS if n not in TUTORIALS], ids=lambda p: p.stem)
def test_notebooks_link_to_the_one_before_and_after(notebook):
    numbered = [n for n in NOTEBOOKS if n not in TUTORIALS]
    position = numbered.index(notebook)
    links = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", nbformat.read(notebook, as_version=4).cells[0].source)
    neighbours = [numbered[i].name for i in (position - 1, position + 1) if 0 <= i < len(numbered)]
    assert set(neighbours) <= set(links)
    assert all((ROOT / "notebooks" / link).is_file() for link in links)


def test_analytics_are_off_and_caches_do_not_make_stages_stale():
    assert "analytics = false" in (ROOT / ".dvc" / "config").read_text(encoding="utf-8")
    assert {"__pycache__/", "/data/runs/"} <= set((ROOT / ".dvcignore").read_text(encoding="utf-8").split())
