"""A network from an ONNX file beside the runtime of that file, and the pruning margin beside the norm."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.embedding import batch_again, faces, onnx_runtime
from benchmarks.harness import Figure, dearer

import prefiqs

FACES = 512


def run() -> Iterator[Figure]:
    """PreFIQs on an imported network against two passes of ONNX Runtime; the pruning margin against the norm."""
    with tempfile.TemporaryDirectory() as folder:
        images = faces(FACES, Path(folder))
        own = prefiqs.scorer("prefiqs", "mobilefacenet-512", device="cpu")
        runtime = partial(batch_again, onnx_runtime("mobilefacenet-512"), 1, 2 * FACES)
        yield dearer(f"PreFIQs, mobilefacenet-512 from ONNX, {FACES} images, start-up excluded",
                     "two forward passes in ONNX Runtime", partial(own, images), runtime, "≤ 1.1")  # fmt: skip
        for name in ("sface", "mobilefacenet-512"):
            network = prefiqs.load_model(name, device="cpu")
            margin, norm = (prefiqs.scorer(method, network, device="cpu") for method in ("pruning-margin", "norm"))
            yield dearer(f"pruning-margin, {name}, {FACES} images, start-up excluded", "norm, one forward pass",
                         partial(margin, images), partial(norm, images), "≤ 1.03")  # fmt: skip
