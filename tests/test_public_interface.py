"""What `import prefiqs` offers, what it must not load, and which room of the package may import which."""

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import prefiqs

PACKAGE = Path(prefiqs.__file__).parent
MAY_IMPORT = {
    "core": set(),
    "assets": {"core"},
    "imaging": {"core"},
    "datasets": {"core", "imaging"},
    "models": {"core", "assets"},
    "pruning": {"core"},
    "embedding": {"core", "imaging", "models"},
    "quality": {"core", "assets", "imaging", "models", "pruning", "embedding"},
    "evaluation": {"core"},
    "reporting": {"core", "evaluation"},
    "distributed": {"core", "assets", "imaging", "datasets", "models", "pruning", "embedding", "quality"},
    "training": {"core", "imaging", "models"},
    "site": {"core", "datasets", "reporting"},
    "gating": {"core", "evaluation"},
    "comparing": {"core", "datasets", "evaluation", "gating", "reporting"},
    "export": {"core", "models", "pruning"},
    "scoring": {"core", "assets", "imaging", "models", "embedding", "quality"},
}
ALL = set(MAY_IMPORT)
MAY_IMPORT |= {
    "cli": ALL | {"api", "plan"},
    "api": ALL,
    "plan": {"core", "datasets", "models", "quality"},
    "__init__": ALL | {"api"},
}
WITHOUT_TORCH = (
    "core",
    "assets",
    "imaging",
    "datasets",
    "evaluation",
    "reporting",
    "site",
    "gating",
    "comparing",
)
TORCH = {"torch", "torchvision", "torch_pruning", "openvino", "safetensors"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports anywhere in it, in full, `from prefiqs import x` as `prefiqs.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that the rooms can be seen"
            found |= {f"prefiqs.{a.name}" for a in node.names} if node.module == "prefiqs" else {node.module}
    return found


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_room_has_its_rules():
    assert {room(path) for path in FILES} <= MAY_IMPORT.keys()
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path):
    modules = imported(path)
    rooms = {name.split(".")[1] for name in modules if name.startswith("prefiqs.")} - {"__version__"}
    assert rooms - {room(path)} <= MAY_IMPORT[room(path)]
    if room(path) in WITHOUT_TORCH:
        assert not {name.split(".")[0] for name in modules} & TORCH


def test_the_rooms_are_found_in_every_kind_of_import(tmp_path):
    """The test above would pass on a parser that finds nothing."""
    code = (
        "import prefiqs.models.zoo as z\ndef f():\n    from prefiqs import pruning\n    from prefiqs.core.x import y\n"
    )
    (tmp_path / "x.py").write_text(code)
    assert imported(tmp_path / "x.py") == {"prefiqs.models.zoo", "prefiqs.pruning", "prefiqs.core.x"}
    assert "prefiqs.assets" in imported(PACKAGE / "models" / "zoo.py")


def test_every_name_resolves_and_says_what_it_is():
    assert len(set(prefiqs.__all__)) == len(prefiqs.__all__)
    assert dir(prefiqs) == sorted(prefiqs.__all__)
    for name in prefiqs.__all__:
        value = getattr(prefiqs, name)
        assert name == "__version__" or (callable(value) and value.__name__ == name and value.__doc__)


def test_the_public_interface_is_that_of_the_design():
    wanted = {
        "load_model", "prune", "embed", "drift", "quality_from_drift", "jacobian_drift", "score", "align",
        "exfiqa_scores", "load_benchmark", "verification_accuracy", "error_discard_curve", "PrefiqsError",
        "NoFaceFound",
    }  # fmt: skip
    assert wanted <= set(prefiqs.__all__)


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="module 'prefiqs' has no attribute 'quality_map'; it offers .*load_model"):
        prefiqs.quality_map  # noqa: B018


def test_importing_loads_nothing_and_curves_never_load_torch():
    code = """
        import sys
        import prefiqs
        heavy = {"torch", "openvino", "cv2", "pandas", "numpy", "onnx", "skimage"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        prefiqs.error_discard_curve, prefiqs.verification_accuracy, prefiqs.load_benchmark, prefiqs.PrefiqsError
        prefiqs.drift, prefiqs.quality_from_drift
        import prefiqs.assets, prefiqs.datasets, prefiqs.evaluation, prefiqs.imaging
        assert not {"torch", "openvino"} & set(sys.modules)
        prefiqs.load_model
        assert "torch" in sys.modules  # the rooms that need it do load it, so the lines above could have failed
        print("done")
    """
    assert run_python(code) == "done\n"


def test_functions_named_like_their_module_stay_functions():
    """Importing a module puts it under its name into its package, also where that name is a function's."""
    assert (
        run_python("import prefiqs.quality.registry; from prefiqs.quality import drift; drift([[1, 0]], [[1, 0]])")
        == ""
    )
    assert run_python("import prefiqs.imaging.align; from prefiqs.imaging import align; assert callable(align)") == ""


def test_loading_every_name_has_no_side_effects():
    code = """
        import os, random, numpy, torch
        def state():
            return os.getcwd(), random.getstate(), str(numpy.random.get_state()), torch.get_rng_state().tolist()
        before = state()
        import prefiqs
        for name in prefiqs.__all__:
            getattr(prefiqs, name)
        assert state() == before
        assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    """
    assert run_python(code) == ""
