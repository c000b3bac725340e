"""FROQ: the activation norms of a few layers, which are chosen on calibration faces.

Source: Babnik, Jain, Peer, Štruc, "FROQ: Observing Face Recognition Models for Efficient Quality Assessment", IJCB
2025. Score = mean over the chosen layers of the L2 norm of a layer's activations. Cost: one forward pass.

Calibration, `calibrate`: the ten layers whose norms have the largest Spearman correlation with pseudo-labels (see
`pseudo_labels`) on calibration faces are candidates. A greedy search adds, one at a time, the layer that gives the mean
norm the largest correlation, and keeps the best set. Cost: 77 forward passes per calibration face.

As in the published implementation, which settles what the paper leaves open: every module that returns a tensor is a
layer, and norms are not scaled, so layers with large norms have more weight. Unlike it: activations that several
modules pass on count once, and a layer that is never active or never varies is not a candidate.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from prefiqs.embedding.embedder import BATCH_SIZES, Embedder, batches, run_padded
from prefiqs.embedding.engines import model_engines
from prefiqs.embedding.vectors import rowwise_cosine
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.io.atomic import write_text
from prefiqs.methods._probes import Probe, private_copy
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel

_SQUARE, _ALPHA, _NOISY_FACES = 14, 0.001, 10
_VIEWS = 2 + _NOISY_FACES + (FACE_SIZE // _SQUARE) ** 2


@dataclass(frozen=True)
class Calibration:
    """The layers of one network whose activation norms FROQ reads."""

    model: str  # name of the network
    layers: tuple[str, ...]  # in the order in which they were added
    correlation: float  # Spearman correlation of their mean norm with the pseudo-labels, in [−1, 1]
    alone: tuple[float, ...]  # the same for each layer by itself
    faces: int  # number of calibration faces

    def save(self, path: str | Path) -> None:
        """Write this calibration as JSON."""
        write_text(json.dumps(asdict(self), indent=2) + "\n", path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; `InputError` for any other file."""
        try:
            known = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(**{**known, "layers": tuple(known["layers"]), "alone": tuple(known["alone"])})
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path} is not a calibration of FROQ ({error}). Make one with "
                             "`prefiqs froq-calibrate`.") from error  # fmt: skip


def scorer(
    model: FaceModel,
    calibration: Calibration | str | Path | None = None,
    batch_size: int | None = None,
    device: str = "auto",
) -> Scorer:
    """Quality of n aligned faces, float32 n, at least 0, higher = better, by a calibration of `model`, or its file."""
    own = private_copy(model, "froq", device)
    if calibration is None:
        raise InputError(f"froq needs a calibration of {model.name}. Make one with `prefiqs froq-calibrate`.")
    if not isinstance(calibration, Calibration):
        calibration = Calibration.load(calibration)
    if calibration.model != model.name:
        raise InputError(f"This calibration was made for {calibration.model}, not for {model.name}. Calibrate again.")
    norms = Embedder([LayerNorms(own, calibration.layers)], batch_size, device)
    return lambda images: Scored(norms(images)[0].mean(1, dtype=np.float64))


def calibrate(
    images: np.ndarray,
    model: FaceModel,
    candidates: int = 10,
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
) -> Calibration:
    """Choose the layers that FROQ listens to in a network; `InputError` for fewer than 3 faces, or none that differ.

    Args:
        images: calibration faces of all qualities, good and bad, n×112×112×3; a few hundred.
        candidates: how many layers, the best by themselves, may be chosen.
        seed: of the noise in the pseudo-labels.
    """
    own = private_copy(model, "froq", device)
    if len(images) < 3 or candidates < 1:
        counts = f"{len(images)} and {candidates}"
        raise InputError(f"Calibration needs at least 3 faces (better: hundreds) and 1 candidate, but got {counts}.")
    labels = pseudo_labels(images, own, seed, batch_size)
    layers = firing_layers(own)
    norms = Embedder([LayerNorms(own, layers)], batch_size, device)(images)[0].astype(np.float64)
    varying = np.flatnonzero(np.ptp(norms, axis=0) > 1e-5 * norms.max(axis=0)).tolist()  # by more than rounding
    if not varying or not np.ptp(labels) > 0:
        raise InputError("No layer responds differently to the calibration faces; use faces of different quality.")
    alone = {i: float(spearmanr(norms[:, i], labels).statistic) for i in varying}
    rest = sorted(alone, key=alone.__getitem__, reverse=True)[:candidates]
    order: list[int] = []
    reached: list[float] = []
    while rest:
        values = [float(spearmanr(norms[:, [*order, i]].sum(1), labels).statistic) for i in rest]
        reached.append(max(values))
        order.append(rest.pop(values.index(max(values))))
    best = order[: reached.index(max(reached)) + 1]
    chosen, correlations = tuple(layers[i] for i in best), tuple(alone[i] for i in best)
    return Calibration(model.name, chosen, max(reached), correlations, len(images))


def firing_layers(model: FaceModel) -> tuple[str, ...]:
    """Names of the modules whose tensor is not (a view of) that of another module, in the order in which they fire."""
    blank = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=model.device)
    names = [name for name, _ in model.named_modules() if name]
    with torch.no_grad(), _watch(model, names) as seen:
        model(blank)
    first = {(output.data_ptr(), output.numel()): name for name, output in reversed(seen.items())}
    return tuple(name for name in seen if name in first.values())


class LayerNorms(Probe):
    """The L2 norms of the activations of some layers, n×layers."""

    def __init__(self, model: FaceModel, layers: Sequence[str]):
        super().__init__(model, len(layers))
        self.layers = tuple(layers)

    def forward(self, prepared: Tensor) -> Tensor:
        """Prepared faces to norms."""
        with _watch(self.model, self.layers) as seen:
            self.model(prepared)
        if silent := [name for name in self.layers if name not in seen]:
            raise InputError(f"{self.name} has no layers {', '.join(silent)} that take part in its forward pass; "
                             "calibrate for this network.")  # fmt: skip
        return torch.stack([seen[name].flatten(1).norm(dim=1) for name in self.layers], dim=1)


@contextmanager
def _watch(model: FaceModel, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What the named layers give while the context lasts, by name, in the order in which they fire."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, _, __, output: object) -> None:
        if isinstance(output, Tensor):
            seen[name] = output

    with ExitStack() as hooks:
        for name, layer in model.named_modules():
            if name in layers:
                hooks.enter_context(layer.register_forward_hook(partial(keep, name)))
        yield seen


def pseudo_labels(images: np.ndarray, model: FaceModel, seed: int = 0, batch_size: int | None = None) -> np.ndarray:
    """How similar the embeddings of a face and of its distorted views are: float64 n in [−1, 1], higher = better.

    The mean of three cosine similarities: to the mirror image, to noisy faces (averaged; `seed` is that of the noise),
    and to faces with one black square each (averaged).
    """
    size = batch_size or min(BATCH_SIZES[model.device.type], _VIEWS)
    (engine,) = model_engines([model], size)
    views = _views(model, seed)
    labels = np.empty(len(images))
    for i, face in enumerate(batches(images, 1)):
        parts = views(model.prepare(face)).split(size)
        embeddings = np.concatenate([run_padded(engine, part, size)[0] for part in parts])
        flip, noise, occlusion = np.split(rowwise_cosine(embeddings[:1], embeddings[1:]), [1, 1 + _NOISY_FACES])
        labels[i] = (flip.mean() + noise.mean() + occlusion.mean()) / 3
    return labels


def _views(model: FaceModel, seed: int) -> Callable[[Tensor], Tensor]:
    """From a face, 1×3×112×112 as the network wants it, to it, its mirror image, noisy and occluded faces."""
    spec, side = model.input_spec, FACE_SIZE // _SQUARE
    drawn = np.random.default_rng(seed).standard_normal((_NOISY_FACES, 3, FACE_SIZE, FACE_SIZE))
    # From the scale [−1, 1] to 0…255, and from there to the network's.
    noise = torch.from_numpy(((127.5 + 127.5 * drawn - spec.mean) / spec.std).astype(np.float32)).to(model.device)
    squares = torch.eye(side**2, dtype=torch.bool, device=model.device).reshape(-1, 1, side, side)
    squares = squares.repeat_interleave(_SQUARE, 2).repeat_interleave(_SQUARE, 3)

    def views(clean: Tensor) -> Tensor:
        noisy = (1 - _ALPHA) * clean + _ALPHA * noise
        return torch.cat([clean, clean.flip(3), noisy, clean.masked_fill(squares, -spec.mean / spec.std)])

    return views
