"""FROQ: the strength of the activations of a few layers, chosen once on calibration faces.

Source: Babnik, Jain, Peer, Štruc, "FROQ: Observing Face Recognition Models for Efficient Quality Assessment", IJCB
2025. Score = mean over the chosen layers of the L2 norm of a layer's activations. Cost: one forward pass.

Calibration, `calibrate`: the ten layers whose norms have the largest Spearman correlation with pseudo-labels (see
`perturbation`) on calibration faces are candidates; greedily, the layer is added that makes the correlation of the mean
norm largest, until all are in, and the best of these sets is kept. Cost: 77 forward passes a calibration face.

As in the published implementation, which also decides what is left open there: every module that gives a tensor is a
layer, and norms are not scaled, so that a layer of large norms counts more. Not as there: activations that several
modules hand on count once, and a layer that never fires or never varies is no candidate.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from prefiqs.errors import InputError
from prefiqs.io.atomic import write_text
from prefiqs.methods._probes import firing_layers, norms_embedder, pseudo_labels, require_layers
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.models.loading import on_device, resolve_device


@dataclass(frozen=True)
class Calibration:
    """Which layers of one network FROQ listens to.

    Attributes:
        model: name of the network.
        layers: names of the chosen layers, in the order in which they were added.
        correlation: Spearman correlation of their mean norm with the pseudo-labels, in [−1, 1].
        alone: that of each layer by itself.
        faces: how many calibration faces there were.
    """

    model: str
    layers: tuple[str, ...]
    correlation: float
    alone: tuple[float, ...]
    faces: int

    def save(self, path: str | Path) -> None:
        """Write this calibration as JSON."""
        write_text(json.dumps(asdict(self), indent=2) + "\n", path)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
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
    """Quality of n aligned faces, float32 n, at least 0, higher = better; `calibration` is one for this network, or its
    file."""
    require_layers(model, "froq")
    if calibration is None:
        raise InputError(f"froq needs a calibration of {model.name}. Make one with `prefiqs froq-calibrate`, and pass "
                         "it (or its file) as `calibration`.")  # fmt: skip
    if not isinstance(calibration, Calibration):
        calibration = Calibration.load(calibration)
    if calibration.model != model.name:
        raise InputError(f"This calibration is of {calibration.model}, not of {model.name}. Calibrate again.")
    norms = norms_embedder(model, calibration.layers, batch_size, device)
    return lambda images: Scored(norms(images)[0].mean(1, dtype=np.float64))


def calibrate(
    images: np.ndarray,
    model: FaceModel,
    candidates: int = 10,
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
) -> Calibration:
    """Choose the layers that FROQ listens to in a network.

    Args:
        images: calibration faces of all qualities, good and bad, n×112×112×3; a few hundred.
        model: the network.
        candidates: how many layers, the best by themselves, may be chosen.
        seed: of the noise in the pseudo-labels.
        batch_size: faces at a time; does not change the result beyond rounding.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".

    Raises:
        InputError: fewer than three faces, or none that differ.
    """
    require_layers(model, "froq")
    if len(images) < 3 or candidates < 1:
        raise InputError(f"Calibration needs at least 3 faces, better hundreds, and 1 candidate, but has "
                         f"{len(images)} and {candidates}.")  # fmt: skip
    model = on_device(model, resolve_device(device))
    labels = pseudo_labels(images, model, seed, batch_size, device)
    layers = firing_layers(model)
    norms = norms_embedder(model, layers, batch_size, device)(images)[0].astype(np.float64)
    varying = np.ptp(norms, axis=0) > 0
    if not varying.any() or not np.ptp(labels) > 0:
        raise InputError("No layer responds differently to the calibration faces; use faces of different quality.")
    alone = np.full(len(layers), -np.inf)
    alone[varying] = [_correlation(column, labels) for column in norms.T[varying]]
    order = np.argsort(-alone, kind="stable")[: min(candidates, int(varying.sum()))]
    chosen, correlation = _greedily(norms[:, order], labels)
    best = order[chosen]
    return Calibration(
        model.name, tuple(layers[i] for i in best), correlation, tuple(float(alone[i]) for i in best), len(images)
    )


def _greedily(norms: np.ndarray, labels: np.ndarray) -> tuple[list[int], float]:
    """Of columns in order of merit, the set whose mean correlates best, and its correlation."""
    order: list[int] = []
    reached: list[float] = []
    remaining = list(range(norms.shape[1]))
    while remaining:
        values = [_correlation(norms[:, [*order, i]].sum(1), labels) for i in remaining]
        order.append(remaining.pop(int(np.argmax(values))))
        reached.append(max(values))
    size = int(np.argmax(reached)) + 1
    return order[:size], float(reached[size - 1])


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(spearmanr(a, b).statistic)
