"""A method, a model and a benchmark are added to a copy of the package as CONTRIBUTING.md says, and used."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_networks import synthetic_faces

import prefiqs

pytestmark = pytest.mark.long
PACKAGE = Path(prefiqs.__file__).parent
PAGE = (PACKAGE.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")

USING = """
import sys
import numpy as np, torch
import prefiqs
from prefiqs.assets.location import data_root
from prefiqs.datasets.benchmark import save_benchmark
from prefiqs.datasets.registry import build_benchmark
from prefiqs.models.registry import MODELS
assert prefiqs.__file__.startswith(sys.argv[1]), prefiqs.__file__
root = data_root()
save_benchmark(build_benchmark("album", root, align=None), root)
torch.manual_seed(0)
network = MODELS["colours"].network(name="colours", input_spec=MODELS["colours"].input_spec)
torch.save(network.state_dict(), root / "checkpoints" / "colours.pth")
benchmark = prefiqs.load_benchmark("album", root)
scores = prefiqs.score(benchmark.images, "mirror", "colours")
weights = {name: value.numpy() for name, value in network.state_dict().items()}
np.savez(sys.argv[2], scores=scores, images=benchmark.images, pairs=benchmark.pairs, genuine=benchmark.genuine,
         names=benchmark.names.astype(str), **weights)
"""

PLANNING = """
import sys
from pathlib import Path
from prefiqs.assets.location import data_root
from prefiqs.pipeline.params import Params, read_yaml, stage_items
from prefiqs.pipeline.plan import plan
root = Path(sys.argv[1])
content = read_yaml(root / "params.yaml")
for name in ([], ["album"]):
    for key in ("all", "photos", "paired"):
        content["benchmarks"][key] += name
    content["align"]["show_faces"] |= dict.fromkeys(name, False)
    table = plan(Params.checked(content), stage_items(root, content), data_root()).set_index("stage")
    print(table.loc["align", "runs"], table.loc["verifier", "forward_passes"])
"""


def inserted(text: str, diff: str) -> str:
    """A text with the added lines of a diff behind the line that stands before them there."""
    text = f"\n{text}"
    for before, added in re.findall(r"^ (.*)\n((?:\+.*\n)+)", diff, re.MULTILINE):
        assert text.count(f"\n{before}\n") == 1, f"CONTRIBUTING.md expects {before!r} once"
        text = text.replace(f"\n{before}\n", f"\n{before}\n{re.sub(r'^.', '', added, flags=re.MULTILINE)}")
    return text[1:]


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """The folder of a copy of the package with what the page adds."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(PACKAGE, folder / "src" / "prefiqs", ignore=shutil.ignore_patterns("__pycache__"))
    blocks = re.findall(r"^`(src/\S+)`:\n\n```(python|diff)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [kind for _, kind, _ in blocks] == 3 * ["python", "diff"]  # one file, one registry
    for path, kind, code in blocks:
        place = folder / path
        assert place.exists() == (kind == "diff")
        place.write_text(
            inserted(place.read_text(encoding="utf-8"), code) if kind == "diff" else code, encoding="utf-8"
        )
    return folder


@pytest.fixture(scope="module")
def python(extended):
    """Runs Python on the extended package, with a data folder of its own."""

    def run(*arguments) -> str:
        own = {"PYTHONPATH": str(extended / "src"), "PREFIQS_DATA": str(extended / "data")}
        command = [sys.executable, *map(str, arguments)]
        result = subprocess.run(
            command, env=os.environ | own, cwd=extended, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="module")
def used(extended, python) -> dict[str, np.ndarray]:
    """What the new benchmark holds, and what the new method says of it by the new model."""
    for person, faces in zip("ab", np.split(synthetic_faces(4), 2), strict=True):
        folder = extended / "data" / "sources" / "album" / "people" / person
        folder.mkdir(parents=True)
        for number, face in enumerate(faces):
            cv2.imwrite(str(folder / f"{number}.png"), face[..., ::-1])
    (extended / "data" / "checkpoints").mkdir()
    python("-c", USING, extended, extended / "used.npz")
    return dict(np.load(extended / "used.npz"))


def test_the_benchmark_is_built_and_loaded(used):
    np.testing.assert_array_equal(used["images"], synthetic_faces(4))
    assert used["names"].tolist() == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    assert used["pairs"][used["genuine"]].tolist() == [[0, 1], [2, 3]]
    assert len(used["pairs"]) == 6


def test_the_benchmark_is_planned_like_the_others(used, python):
    runs, passes, more_runs, more_passes = map(float, python("-c", PLANNING, PACKAGE.parents[1]).split())
    assert more_runs == runs + 1
    assert more_passes == passes + 4, "the run has one network that only verifies"


def test_the_method_scores_by_the_model(used):
    def embedded(images):
        means = ((images - 127.5) / 127.5).reshape(4, 4, 28, 4, 28, 3).mean((2, 4)).transpose(0, 3, 1, 2)
        rows = means.reshape(4, -1) @ used["embedding.weight"].T + used["embedding.bias"]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    expected = (embedded(used["images"]) * embedded(used["images"][:, :, ::-1])).sum(1)
    assert np.ptp(expected) > 0.001
    np.testing.assert_allclose(used["scores"], expected, atol=1e-5)


def test_all_three_are_listed(used, python):
    methods, models, benchmarks = (
        python("-m", "prefiqs.cli", "list", what) for what in ("methods", "models", "benchmarks")
    )
    assert "\nprefiqs: PreFIQs" in methods and methods.startswith("mirror: Mirror: how much the embedding")
    assert models.startswith("colours: mean colours; RGB, (x - 127.5)/127.5; 8-d; licence: MIT; present\n")
    assert benchmarks.startswith("album (Album): built, 4 images, 2 people, 2 genuine, 4 impostor pairs\n")


def test_the_examples_are_of_the_style_of_the_house(extended):
    command = [sys.executable, "-m", "ruff", "--config", PACKAGE.parents[1] / "pyproject.toml"]
    for check in (["check"], ["format", "--check"]):
        result = subprocess.run(
            [*command[:3], *check, *command[3:], "src"], cwd=extended, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
