"""Scores follow from image, options and seed: whatever the process, its threads and hashes, the batch and the order."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.long
SEEDS = (3, 8)
ORDER = np.random.default_rng(5).permutation(10)
# Methods that draw at random get the seed, and leave the network as it is; of the others it is the network's own.
DRAWING = {
    "prefiqs": {"criterion": "random"},
    "jacobian": {"criterion": "random"},
    "ser-fiq": {"passes": 10},
    "faceqan": {"k": 2, "iterations": 2},
}
# FaceQAN steps by the sign of a gradient: where that is nearly 0, the rounding of another number of threads turns it.
SIGNS = 2e-5
OTHERS = ("norm", "pruning-margin", "grafiqs", "vit-fiqa")  # others of transformers take the same way


def score_all(out: Path) -> None:
    """What one process finds, every method with both seeds, in three batch sizes if it takes one, and out of order."""
    import inspect

    from small_networks import TinyNet, small_vit_fiqa, synthetic_faces

    from prefiqs.methods.registry import METHODS, score

    faces, found = synthetic_faces(len(ORDER)), {}
    for method in (*DRAWING, *OTHERS):
        for seed in SEEDS:
            drawing = method in DRAWING
            build = small_vit_fiqa if method == "vit-fiqa" else TinyNet
            network = build() if drawing else build(seed=seed)
            options = {**DRAWING[method], "seed": seed} if drawing else {}
            if "batch_size" in inspect.signature(METHODS[method].module.scorer).parameters:
                found[f"{method} {seed} 1"] = score(faces, method, network, batch_size=1, **options)
                found[f"{method} {seed} 3 order"] = score(faces[ORDER], method, network, batch_size=3, **options)
                found[f"{method} {seed}"] = score(faces, method, network, batch_size=16, **options)
            else:
                found[f"{method} {seed} order"] = score(faces[ORDER], method, network, **options)
                found[f"{method} {seed}"] = score(faces, method, network, **options)
    np.savez(out, **found)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict[str, np.ndarray]]:
    """The scores of two fresh processes, with one thread and with two, and with hashes of their own."""
    results = []
    for number in ("1", "2"):
        out = tmp_path_factory.mktemp("scores") / f"{number}.npz"
        own = {"OMP_NUM_THREADS": number, "PYTHONHASHSEED": number}
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run([sys.executable, __file__, out], env={**os.environ, **own, "PYTHONPATH": path}, check=True)
        results.append(dict(np.load(out)))
    return results


@pytest.mark.parametrize("method", [*DRAWING, *OTHERS])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_seed_same_scores(found, method, seed):
    expected = found[0][f"{method} {seed}"]
    assert np.ptp(expected) > 1e-3
    runs = {
        (i, key): scores
        for i in (0, 1)
        for key, scores in found[i].items()
        if f"{key} ".startswith(f"{method} {seed} ")
    }
    assert len(runs) == (4 if method == "faceqan" else 6)
    for (process, key), scores in runs.items():
        there = expected[ORDER] if key.endswith("order") else expected
        atol = SIGNS if method == "faceqan" and process == 1 else 1e-6
        np.testing.assert_allclose(scores, there, rtol=1e-6, atol=atol, err_msg=f"{key} in process {process}")


@pytest.mark.parametrize("method", [*DRAWING, *OTHERS])
def test_another_seed_gives_other_scores(found, method):
    one, other = (found[0][f"{method} {seed}"] for seed in SEEDS)
    assert np.abs(one - other).max() > 1e-5


if __name__ == "__main__":
    score_all(Path(sys.argv[1]))
