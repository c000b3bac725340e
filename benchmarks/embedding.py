"""Embedding extraction: `embed` against the loop people write, and against bare engines on tensors in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import openvino as ov
import torch
from benchmarks.harness import Figure, dearer, faster, in_turns
from benchmarks.plain import eager_loop

import prefiqs
from prefiqs.assets.fetch import fetch
from prefiqs.embedding.embedder import embed, write_embeddings
from prefiqs.embedding.engines import model_engines, openvino_graph
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel
from prefiqs.models.registry import MODELS
from prefiqs.pruning.prune import apply_mask, select_masks
from prefiqs.pruning.spec import PruningSpec

FACES, FEW = 2048, 256


def faces(count: int, folder: Path) -> np.ndarray:
    """Seeded noise, as a memory map: what a network takes does not depend on what it sees."""
    path = folder / f"{count}.npy"
    if not path.exists():
        np.save(path, np.random.default_rng(0).integers(0, 256, (count, FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8))
    return np.load(path, mmap_mode="r")


def run() -> Iterator[Figure]:
    """The first four rows of the table, and PreFIQs beside two passes."""
    with tempfile.TemporaryDirectory() as folder:
        many, few = faces(FACES, Path(folder)), faces(FEW, Path(folder))
        for name in ("sface", "mobilefacenet-512"):
            model = prefiqs.load_model(name, device="cpu")
            worst = float(np.abs(embed(model, few, device="cpu") - eager_loop(model, few, model.input_spec)).max())
            yield faster(f"embed, {name}, {FACES:,} images, start-up included", "eager PyTorch, batch 32",
                         partial(embed, model, many, device="cpu"), partial(eager_loop, model, many, model.input_spec),
                         "≥ 4", turns=2, **{"largest difference": worst})  # fmt: skip
            yield against_bare_engines(name, model, many)
        for name in ("iresnet50", "iresnet100", "vit-s"):
            yield untrained(name, few)
        yield variants(many[:FEW], Path(folder))
        yield from prefiqs_for_a_user(many)


def against_bare_engines(name: str, model: FaceModel, images: np.ndarray) -> Figure:
    """All of `embed`, from the memory map on, against the best engine on one batch already in memory."""
    engines = bare_engines(name, model)
    seconds = in_turns(*[partial(batch_again, *engine, 4) for engine in engines.values()])
    rates = {label: 4 * engine[1] / s for (label, engine), s in zip(engines.items(), seconds.min(0), strict=True)}
    best = max(rates, key=rates.get)
    details = {f"images/s, {label}": round(rate, 1) for label, rate in rates.items()}
    run, batch_size = engines[best]
    return faster(
        f"embed, {name}, {len(images):,} images, start-up, reading and preprocessing included",
        f"{best}, tensors in memory",
        partial(embed, model, images, device="cpu"), partial(batch_again, run, batch_size, len(images) // batch_size),
        "≥ 0.9", **details,
    )  # fmt: skip


def batch_again(run, batch_size: int, times: int) -> None:
    """Push one batch in memory through an engine, several times."""
    prepared = torch.zeros(batch_size, 3, FACE_SIZE, FACE_SIZE)
    for _ in range(times):
        run(prepared)


def bare_engines(name: str, model: FaceModel) -> dict:
    """Engines to be had on a CPU by label: a function of a prepared batch, and the batch size."""
    engines = {f"OpenVINO, batch {size}": (model_engines([model], size)[0], size) for size in (4, 16, 64)}
    graph = openvino_graph(model, torch.zeros(2, 3, FACE_SIZE, FACE_SIZE))
    graph.reshape([16, 3, FACE_SIZE, FACE_SIZE])
    hints = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    compiled = ov.Core().compile_model(graph, "CPU", hints)
    engines["OpenVINO, two streams of 16"] = (partial(two_at_once, compiled), 32)
    engines["ONNX Runtime, the published file"] = (onnx_runtime(name), 1)
    return engines


def onnx_runtime(name: str) -> Callable[[torch.Tensor], object]:
    """The published file, which takes one face at a time."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(fetch(name), options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    return lambda x: session.run(None, {given: x.numpy()})


def two_at_once(compiled, prepared) -> None:
    """Two halves of a batch in two requests."""
    queue = ov.AsyncInferQueue(compiled, 2)
    for half in np.split(prepared.numpy(), 2):
        queue.start_async({0: half})
    queue.wait_all()


def untrained(name: str, images: np.ndarray) -> Figure:
    """A published architecture at its size with seeded weights, once compiled."""
    torch.manual_seed(0)
    card = MODELS[name]
    model = card.network(name=name, input_spec=card.input_spec)
    engine = model_engines([model], 16)[0]
    way = partial(batch_again, lambda x: engine(model.prepare(images[:16])), 16, len(images) // 16)
    return faster(f"embed, {name} with untrained weights, {len(images)} images", "eager PyTorch, batch 32", way,
                  partial(eager_loop, model, images, card.input_spec), "≥ 1.5")  # fmt: skip


def variants(images: np.ndarray, folder: Path) -> Figure:
    """A network and 27 pruned ones over one set of images, once compiled, against as many bare passes."""
    model = prefiqs.load_model("sface", device="cpu")
    kinds = [("unstructured", "l1"), ("unstructured", "random"), ("structured", "l1")]
    specs = [PruningSpec(i / 10, *kind) for kind in kinds for i in range(1, 10)]
    pruned = [apply_mask(model, mask) for mask in select_masks(model, specs)]
    networks = [model, *pruned]
    paths = [folder / f"{i}.npy" for i in range(len(networks))]
    half = images[: len(images) // 2]

    def ours(count):
        write_embeddings(networks, images[:count], count, paths, device="cpu")

    engines = model_engines(networks, 16)

    def bare():
        prepared = torch.zeros(16, 3, FACE_SIZE, FACE_SIZE)
        for engine in engines:
            for _ in range(len(half) // 16):
                engine(prepared)

    seconds = in_turns(partial(ours, len(images)), partial(ours, len(half)), bare, turns=2)
    ratios = (seconds[:, 0] - seconds[:, 1]) / seconds[:, 2]
    return Figure(f"embedding with a network and its {len(pruned)} pruned variants, start-up excluded",
                  f"{len(networks)} forward passes of the engine alone",
                  *map(float, (np.median(ratios), ratios.min(), ratios.max())), "≤ 1.1")  # fmt: skip


def prefiqs_for_a_user(images: np.ndarray) -> Iterator[Figure]:
    """PreFIQs with one ratio against two bare passes."""
    model = prefiqs.load_model("sface", device="cpu")
    engine = model_engines([model], 16)[0]
    two = partial(batch_again, engine, 16, 2 * len(images) // 16)
    score = partial(prefiqs.score, images, model=model, device="cpu")
    work = f"PreFIQs, sface, ρ = 0.4, {len(images):,} images"
    yield dearer(
        f"{work}, start-up included", "two forward passes of the engine alone", partial(score, "prefiqs"), two, "≤ 1.1"
    )
    ready = prefiqs.scorer("prefiqs", model, device="cpu")
    yield dearer(
        f"{work}, start-up excluded", "two forward passes of the engine alone", partial(ready, images), two, "≤ 1.1"
    )
