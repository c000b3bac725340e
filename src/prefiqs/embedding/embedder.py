"""From aligned faces to embeddings, batch by batch; every image is read once for all networks."""

import gc
from collections.abc import Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from tqdm import tqdm

from prefiqs.embedding.engines import Engine, model_engines
from prefiqs.embedding.vectors import normalise
from prefiqs.errors import InputError
from prefiqs.io.arrays import row_writer
from prefiqs.models.face_model import FaceModel, check_faces, require_eval_mode
from prefiqs.models.loading import on_device, resolve_device

# Faces at a time: on a CPU enough to share the reading of the weights, and few enough for activations to stay in the
# cache; on a GPU many, to keep it busy.
BATCH_SIZES = {"cpu": 16, "cuda": 128}
NETWORKS_AT_ONCE = 8  # in `write_embeddings`: a compiled SFace takes 130 MB

Faces = np.ndarray | Iterable[np.ndarray]
Job = FaceModel | str | tuple[FaceModel | str, str]
"""What makes one table of embeddings: a network, or a network and how it sees the faces, "plain" or "mirrored"."""


def embed(
    model: FaceModel | str | Sequence[FaceModel | str],
    images: Faces,
    batch_size: int | None = None,
    flip_test: bool = False,
    device: str = "auto",
    precision: str = "fp32",
    progress: bool = False,
) -> np.ndarray | list[np.ndarray]:
    """Embed aligned faces.

    Args:
        model: a FaceModel or the name of one, or a list of them.
        images: aligned faces, uint8 n×112×112×3, RGB (array or memory map), or an iterator over single faces.
        batch_size: faces per batch, by default chosen for the device; affects the result by less than 1e-6.
        flip_test: add the embedding of the mirrored face before normalising (LFW protocol; not used for quality).
        device: "auto" (CUDA if available), "cpu", "cuda" or "cuda:N".
        precision: "fp32", or faster but less exact "bf16", "fp16" and, on a GPU, "tf32".
        progress: show a progress bar on stderr.

    Returns float32 n×d, rows L2-normalised; a list of such arrays for a list of models. Raises `InputError` for images
    that are not aligned faces, or an unknown model, device or precision.
    """
    models = [model] if isinstance(model, FaceModel | str) else list(model)
    jobs = [(network, view) for network in models for view in ("plain", "mirrored")[: 1 + flip_test]]
    raw = Embedder(jobs, batch_size, device, precision)(images, progress)
    if flip_test:
        raw = [plain + mirrored for plain, mirrored in zip(raw[::2], raw[1::2], strict=True)]
    normalised = [normalise(r) for r in raw]
    return normalised[0] if isinstance(model, FaceModel | str) else normalised


def write_embeddings(
    jobs: Iterable[Job],
    images: Faces,
    count: int,
    paths: Iterable[str | Path],
    batch_size: int | None = None,
    device: str = "auto",
) -> None:
    """Write the raw embeddings of each job as .npy; memory grows neither with the faces nor the jobs.

    `NETWORKS_AT_ONCE` jobs take turns, so a generator of them need not hold all networks. In each turn the `count`
    faces are read once; the files appear at its end.
    """
    jobs, paths = iter(jobs), iter(paths)
    while group := list(islice(jobs, NETWORKS_AT_ONCE)):
        embedder = Embedder(group, batch_size, device)
        with ExitStack() as stack:
            files = [row_writer(path, (count, size), np.float32) for size, path in zip(embedder.sizes, paths)]  # noqa: B905
            appends = [stack.enter_context(file) for file in files]
            for tables in embedder.stream(images):
                for append, table in zip(appends, tables, strict=True):
                    append(table)
        del group, embedder  # before the next ones are made
        gc.collect()  # PyTorch leaves a traced network in a reference cycle


class Embedder:
    """Networks prepared once, on first use, for faces that come in any number of portions, from any thread.

    It gives raw embeddings, not normalised, so that their norm is kept; `sizes` are their widths. Arguments as for
    `embed`. Weights that change afterwards are not noticed; the networks given stay as and where they are.
    """

    def __init__(
        self, jobs: Sequence[Job], batch_size: int | None = None, device: str = "auto", precision: str = "fp32"
    ):
        _check_batch_size(batch_size)
        self.batch_size, self.device, self.precision = batch_size, resolve_device(device), precision
        pairs = [job if isinstance(job, tuple) else (job, "plain") for job in jobs]
        if unknown := {view for _, view in pairs} - {"plain", "mirrored"}:
            raise InputError(f'Unknown view {unknown.pop()!r} of the faces; choose "plain" or "mirrored".')
        given = list(dict.fromkeys(network for network, _ in pairs))
        self.models = [on_device(network, self.device) for network in given]
        require_eval_mode(*self.models)
        self.jobs = [(given.index(network), view) for network, view in pairs]
        self.sizes = [self.models[i].embedding_size for i, _ in self.jobs]
        self._lock = Lock()
        self._engines: list[Engine] = []
        self._faces_at_once = 0  # that the engines are made for

    def __call__(self, images: Faces, progress: bool = False) -> list[np.ndarray]:
        """One float32 n×d array a job, all in memory."""
        parts = zip(self.sizes, *self.stream(images, progress), strict=True)
        return [np.concatenate([np.empty((0, size), np.float32), *tables]) for size, *tables in parts]

    def stream(self, images: Faces, progress: bool = False) -> Iterator[list[np.ndarray]]:
        """The same, batch after batch."""
        usual = BATCH_SIZES[self.device.type]
        known = len(images) if isinstance(images, np.ndarray) else usual
        wanted = max(1, min(known, usual)) if self.batch_size is None else self.batch_size
        with self._lock:
            if wanted > self._faces_at_once:
                self._engines, self._faces_at_once = model_engines(self.models, wanted, self.precision), wanted
            engines, size = self._engines, self._faces_at_once
        prepared = map(self._inputs, batches(images, size, progress))
        for inputs in prepared if self.device.type == "cpu" else _ahead(prepared, self.device):
            yield [
                run_padded(engines[i], inputs[self.models[i].input_spec, self.models[i].device, view], size)[0]
                for i, view in self.jobs
            ]

    def _inputs(self, faces: np.ndarray) -> dict[tuple, torch.Tensor]:
        preparers = {(m.input_spec, m.device): m for m in self.models}  # a finished graph stays on the CPU
        views = {view: faces[:, :, ::-1] if view == "mirrored" else faces for _, view in self.jobs}
        return {(*k, view): m.prepare(seen) for k, m in preparers.items() for view, seen in views.items()}


def _ahead(prepared: Iterator[dict[tuple, torch.Tensor]], device: torch.device) -> Iterator[dict[tuple, torch.Tensor]]:
    """Prepare a batch in a thread and a GPU stream of its own, while the one before is computed."""
    stream = torch.cuda.Stream(device)

    def in_stream() -> dict[tuple, torch.Tensor] | None:
        with torch.cuda.stream(stream):
            inputs = next(prepared, None)
        stream.synchronize()
        return inputs

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(in_stream)
        while (inputs := coming.result()) is not None:
            coming = thread.submit(in_stream)
            yield inputs  # whose memory is used again only after the engines have given their results


def run_padded(engine: Engine, prepared, batch_size: int) -> tuple[np.ndarray, ...]:
    """Run an engine of a fixed batch on at most that many faces: the rest is filled up with copies and cut off."""
    n = len(prepared)
    if n < batch_size:
        prepared = prepared[[*range(n), *[0] * (batch_size - n)]]
    return tuple(output[:n] for output in engine(prepared))


def batches(images: Faces, batch_size: int, progress: bool = False) -> Iterator[np.ndarray]:
    """Cut faces into arrays of at most `batch_size`; with `progress`, show a bar on stderr."""
    _check_batch_size(batch_size)
    if isinstance(images, np.ndarray):
        portions = (check_faces(images[s : s + batch_size]) for s in range(0, len(images), batch_size))
    else:
        single = (check_faces(np.asarray(face)[None]) for face in images)
        portions = (np.concatenate(some) for some in iter(lambda: list(islice(single, batch_size)), []))
    with tqdm(total=len(images) if isinstance(images, Sized) else None, unit="face", disable=not progress) as bar:
        for portion in portions:
            yield portion
            bar.update(len(portion))


def _check_batch_size(batch_size: int | None) -> None:
    if batch_size is not None and batch_size < 1:
        raise InputError(f"The batch size must be at least 1, not {batch_size}.")
