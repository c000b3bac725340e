"""Scores do not depend on how many cores a machine has."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tests.small_networks import synthetic_faces

SCORING = """
import os, sys
import numpy as np
os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
import prefiqs
faces, out = np.load(sys.argv[2]), {}
for method in ("prefiqs", "prefiqs-fast", "norm"):
    out[method] = prefiqs.score(faces, method, "sface")
out["vit-fiqa"] = prefiqs.score(faces, "vit-fiqa", "vit-prefiqs")
out["one core"] = len(os.sched_getaffinity(0)) == 1
np.savez(sys.argv[3], **out)
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system that binds a process to cores")
@pytest.mark.skipif(len(getattr(os, "sched_getaffinity", lambda _: [0])(0)) < 2, reason="needs two cores")
def test_one_core_or_two(tmp_path):
    np.save(tmp_path / "faces.npy", synthetic_faces(20))
    cores, found = sorted(os.sched_getaffinity(0))[:2], []
    for number in (1, 2):
        out = tmp_path / f"{number}.npz"
        given = [",".join(map(str, cores[:number])), str(tmp_path / "faces.npy"), str(out)]
        subprocess.run([sys.executable, "-c", SCORING, *given], check=True)
        found.append(dict(np.load(out)))
    assert found[0].pop("one core") and not found[1].pop("one core")
    for method, scores in found[0].items():
        assert scores.std() > 0
        np.testing.assert_allclose(scores, found[1][method], rtol=1e-6, atol=1e-6, err_msg=method)
