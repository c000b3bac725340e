"""A copy of the compendium whose whole pipeline runs in two minutes, for tests of it as a whole."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from prefiqs.assets.fetch import fetch_all
from prefiqs.assets.location import data_root
from prefiqs.pipeline.params import overlaid, read_yaml

ROOT = Path(__file__).parents[1]
ELSEWHERE = Path(tempfile.gettempdir()) / "prefiqs-data-that-no-stage-uses"
ENVIRONMENT = os.environ | {
    # stages call `prefiqs`, which lies beside the running interpreter
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PREFIQS_DATA": str(ELSEWHERE),  # as some users set it: the pipeline has its own
}
REDUCED = {
    "benchmarks": {"paired": ["orl-xq"]},
    "align": {"people": 6},
    "folds": {"count": 3, "pairs_per_fold": 20},
    "degrade": {"copies": 2, "impostors": 5000},
    "models": {"cross": ["mobilefacenet-192"]},
    "prune": {"ratios": [0.1, 0.6], "criteria": ["l1"]},
    "methods": {"compared": ["froq", "ex-fiqa"], "calibration_faces": 4, "timed_faces": 8},
    "transformer": {"faces": 1},
    "jacobian": {"ablation_images": 4},
    "verification": {"benchmarks": ["orl-xq"], "flip_test": ["orl", "orl-xq"]},
    "edc": {"random_orders": 3, "resamples": 5},
}


def dvc(copy: Path, *arguments: str, **options) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=copy, env=ENVIRONMENT, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def change_params(copy: Path, changes: dict) -> None:
    path = copy / "params.yaml"
    path.write_text(yaml.safe_dump(overlaid(read_yaml(path), changes), sort_keys=False))


def make_compendium(copy: Path) -> None:
    """Fill an empty folder with what git knows or would add, without results, with the assets in place."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    ).stdout.splitlines()
    for name in listed:
        if not name.startswith("reports/") and name != "dvc.lock" and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    fetch_all()
    shutil.copytree(data_root() / "assets", copy / "data" / "assets")
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    change_params(copy, REDUCED)
