"""What `import prefiqs` offers, what it must not load, and which subpackage may import which."""

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import prefiqs
from prefiqs.methods.registry import METHODS

PACKAGE = Path(prefiqs.__file__).parent
# A subpackage imports only what stands before it.
ORDER = (
    "errors", "io", "assets", "faces", "datasets", "models", "pruning", "embedding", "methods", "evaluation",
    "reporting", "apps", "pipeline", "cli",
)  # fmt: skip
WITHOUT_TORCH = ("errors", "io", "assets", "faces", "datasets", "evaluation", "reporting")
TORCH = {"torch", "torch_pruning", "openvino"}
FILES = sorted(PACKAGE.rglob("*.py"))


def subpackage(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports anywhere in it, in full, `from prefiqs import x` as `prefiqs.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, so that subpackages can be seen"
            found |= {f"prefiqs.{a.name}" for a in node.names} if node.module == "prefiqs" else {node.module}
    return found


def run_python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_subpackage_has_its_place_in_the_order():
    assert {subpackage(path) for path in FILES} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = subpackage(path)
    modules = imported(path)
    used = {name.split(".")[1] for name in modules if name.startswith("prefiqs.")} - {"__version__", own}
    if own == "evaluation":
        assert used <= {"errors"}, "evaluation knows numbers only"
    elif own != "__init__":
        assert used <= set(ORDER[: ORDER.index(own)])
    if own in WITHOUT_TORCH:
        allowed = {"openvino"} if path.name == "detector.py" else set()  # imported when the first photo comes
        assert not {name.split(".")[0] for name in modules} & TORCH - allowed


def test_every_kind_of_import_is_found(tmp_path):
    """The test above would pass on a parser that finds nothing."""
    code = "import prefiqs.models.vit as z\ndef f():\n    from prefiqs import pruning\n    from prefiqs.io.x import y\n"
    (tmp_path / "x.py").write_text(code)
    assert imported(tmp_path / "x.py") == {"prefiqs.models.vit", "prefiqs.pruning", "prefiqs.io.x"}
    assert "prefiqs.assets.fetch" in imported(PACKAGE / "models" / "registry.py")


def test_the_folder_of_methods_holds_methods_only():
    files = {path.stem for path in (PACKAGE / "methods").glob("*.py") if not path.stem.startswith("_")}
    assert files - {"registry"} == {name.replace("-", "_") for name in METHODS}


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
        heavy = {"torch", "openvino", "cv2", "pandas", "numpy", "onnx"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        prefiqs.error_discard_curve, prefiqs.verification_accuracy, prefiqs.load_benchmark, prefiqs.PrefiqsError
        import prefiqs.methods.registry
        import prefiqs.faces.align, prefiqs.datasets.registry, prefiqs.pruning.spec, prefiqs.reporting.tables
        assert not {"torch", "openvino"} & set(sys.modules)
        prefiqs.load_model
        assert "torch" in sys.modules  # what needs it does load it, so the lines above could have failed
        print("done")
    """
    assert run_python(code) == "done\n"


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
