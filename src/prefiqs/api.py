"""The part of the public interface that joins rooms: networks by name, pruned; photos through the fetched detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prefiqs import imaging, pruning
from prefiqs.assets import fetch
from prefiqs.core.recipe import Recipe
from prefiqs.models import FaceModel, as_model


def align(image: np.ndarray | str | Path, all_faces: bool = False) -> imaging.AlignedFace | list[imaging.AlignedFace]:
    """Cut the face out of a photo and bring it onto the ArcFace template (112×112).

    Args:
        image: uint8 RGB h×w×3, or the path of a photo.
        all_faces: all faces, largest first, instead of the largest alone.

    Raises:
        NoFaceFound: the detector saw none; InputError: not an RGB photo; AssetError: the detector cannot be had.
    """
    return imaging.align(image, fetch("yunet"), all_faces)


def prune(
    model: FaceModel | str,
    ratio: float,
    granularity: str = "unstructured",
    criterion: str = "l1",
    seed: int = 0,
    layers: str | tuple[str, ...] = "all",
) -> FaceModel:
    """Prune a network (PreFIQs, sec. 3.1): returns a new FaceModel, the given one is untouched.

    Args:
        model: a FaceModel, or the name of one.
        ratio: share to remove, in (0, 1): of the weights (unstructured) or of the channels (structured).
        granularity: "unstructured" (single weights become 0) or "structured" (DepGraph removes whole channels).
        criterion: "l1" (smallest magnitude first, ranked over all layers) or "random" (by `seed`).
        seed: of the random criterion.
        layers: "all", or names of layers (unstructured only).

    Returns:
        The pruned network; its `sparsity` in [0, 1] is the share of the prunable weights that is zero or gone.

    Raises:
        InputError: a ratio, granularity, criterion or layer that does not exist, or a network without weights.
    """
    model = as_model(model)
    return pruning.apply(model, pruning.choose(model, Recipe(ratio, granularity, criterion, seed, layers)))
