"""Several threads may use one scorer; scores do not depend on that, nor on how many cores a machine has."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_networks import HandNet, StagedNet, TinyNet, slow_ones_long, small_vit_fiqa, synthetic_faces

from prefiqs.embedding import engines
from prefiqs.embedding.embedder import Embedder
from prefiqs.methods.froq import calibrate
from prefiqs.methods.registry import METHODS, scorer

SCORING = """
import os, sys
import numpy as np
os.sched_setaffinity(0, set(map(int, sys.argv[1].split(","))))
import prefiqs
faces, out = np.load(sys.argv[2]), {}
for method in ("prefiqs", "pruning-margin", "norm"):
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


SMALL = {"grafiqs": StagedNet} | dict.fromkeys(["vitnt-fiqa", "attn-fiqa", "vit-fiqa", "ex-fiqa"], small_vit_fiqa)
SMALL["quality-network"] = lambda: HandNet([[0.5, -0.1, 2.0]])
OPTIONS = {"faceqan": {"k": 2, "iterations": 2}, "ser-fiq": {"passes": 10}}


def in_four_threads(work, parts: list) -> list:
    """All start at once, so that they are at work at the same time."""
    start = threading.Barrier(4)

    def one(number):
        start.wait()
        return [work(part) for part in parts[number::4]]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(one, range(4)))
    return [found[i % 4][i // 4] for i in range(len(parts))]


@pytest.mark.parametrize("method", slow_ones_long(METHODS, "grafiqs", "faceqan"))
def test_one_scorer_in_four_threads(method):
    network, parts = SMALL.get(method, TinyNet)(), np.split(synthetic_faces(24), 8)
    options = {"calibration": calibrate(parts[0], network, device="cpu")} if method == "froq" else {}
    score = scorer(method, network, device="cpu", **options, **OPTIONS.get(method, {}))
    found = in_four_threads(score, parts)  # the first call prepares what is not prepared yet
    np.testing.assert_array_equal(found, [score(part) for part in parts])


@pytest.mark.long
@pytest.mark.parametrize("method", ["prefiqs", "norm", "ser-fiq", "grafiqs", "faceqan"])
def test_one_scorer_of_sface_in_four_threads(method, sface):
    parts = np.split(synthetic_faces(8), 8)
    score = scorer(method, sface, device="cpu", **OPTIONS.get(method, {}))
    np.testing.assert_array_equal(in_four_threads(score, parts), [score(part) for part in parts])


def test_one_embedder_in_four_threads_whose_batch_grows():
    embedder, faces = Embedder([TinyNet(), (TinyNet(1), "mirrored")], device="cpu"), synthetic_faces(40)
    parts = [faces[:n] for n in (1, 3, 8, 2, 16, 40, 5, 4)]
    for found, part in zip(in_four_threads(embedder, parts), parts, strict=True):
        for table, expected in zip(found, embedder(part), strict=True):
            np.testing.assert_allclose(table, expected, rtol=1e-5, atol=1e-6)


def test_pytorch_serves_one_thread_at_a_time():
    """Its settings are those of the process, and functions put other weights into their network."""
    network, inside, most = HandNet([[1.0, 2, 3]]), [], []

    def function(prepared):
        inside.append(1)
        most.append(len(inside))
        result = network(prepared)
        inside.pop()
        return result

    runs, prepared = [engines.torch_engine(function) for _ in range(2)], network.prepare(synthetic_faces(2))
    in_four_threads(lambda run: run(prepared), runs * 20)
    assert max(most) == 1


@pytest.mark.parametrize("threads", [1, 10_000])
def test_the_engine_of_the_cpu_keeps_to_the_threads_of_pytorch(monkeypatch, threads):
    """`torch.set_num_threads` and OMP_NUM_THREADS limit it; so workers that share a machine do not fight over it."""
    compiled, original = [], engines.ov.Core.compile_model

    def compile_model(*arguments):
        compiled.append(original(*arguments))
        return compiled[-1]

    monkeypatch.setattr(engines.ov.Core, "compile_model", compile_model)
    monkeypatch.setattr(engines.torch, "get_num_threads", lambda: threads)
    Embedder([TinyNet()], device="cpu")(synthetic_faces(1))
    used = compiled[0].get_property("INFERENCE_NUM_THREADS")
    assert used == 1 if threads == 1 else 1 <= used <= os.cpu_count()
