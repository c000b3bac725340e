"""One face at a time: what the first call of a scorer costs, and what each later one does."""

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
from benchmarks.harness import Figure, dearer, seconds_of

import prefiqs

NETWORKS = {
    "norm": "sface", "pruning-margin": "sface", "prefiqs": "sface", "ser-fiq": "sface", "jacobian": "sface",
    "grafiqs": "sface", "faceqan": "sface", "vitnt-fiqa": "vit-prefiqs", "vit-fiqa": "vit-prefiqs",
    "ex-fiqa": "vit-prefiqs", "attn-fiqa": "vit-prefiqs", "quality-network": "qualityface",
}  # fmt: skip
CALLS = 5  # warm calls a turn


def run() -> Iterator[Figure]:
    """Every method that needs no calibration, each in a process of its own, so that none profits from another."""
    for method, network in NETWORKS.items():
        child = [sys.executable, "-c", f"from benchmarks.latency import measure; measure({method!r}, {network!r})"]
        found = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
        yield Figure(f"{method}, {network}, one face", f"norm, {reference(network)}, one face", **found)


def reference(network: str) -> str:
    """The network of the norm that a method is compared with; a quality network has no embedding."""
    return "sface" if network == "qualityface" else network


def measure(method: str, network: str) -> None:
    """Print the figure of one method: warm calls in turns with the embedding norm, which is one forward pass."""
    face = np.asarray(prefiqs.load_benchmark("orl").images[:1])
    ready = []
    options = {} if method == "faceqan" else {"batch_size": 1}  # which takes one face at a time anyway
    start = seconds_of(lambda: ready.append(prefiqs.scorer(method, network, device="cpu", **options)))
    first = seconds_of(lambda: ready[0](face))
    norm = prefiqs.scorer("norm", reference(network), device="cpu", batch_size=1)
    figure = dearer("", "", lambda: [ready[0](face) for _ in range(CALLS)], lambda: [norm(face) for _ in range(CALLS)])
    seconds = figure.details["seconds"] / CALLS
    details = {"ms per call": round(1e3 * seconds, 1), "s to prepare": round(start, 2), "s first call": round(first, 2)}
    print(json.dumps({"value": figure.value, "low": figure.low, "high": figure.high, "details": details}))
