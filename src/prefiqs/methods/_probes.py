"""Shared by the methods that look inside a network."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from prefiqs.embedding.embedder import BATCH_SIZES, Embedder, batches, run_padded
from prefiqs.embedding.engines import model_engines
from prefiqs.embedding.vectors import rowwise_cosine
from prefiqs.errors import InputError
from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel, require_eval_mode
from prefiqs.models.graph import GraphModel
from prefiqs.models.loading import on_device, resolve_device


def require_layers(model: FaceModel, method: str) -> None:
    """Raise `InputError` for a network without PyTorch layers, or one that is not in eval mode."""
    if isinstance(model, GraphModel):
        raise InputError(f"The method {method} needs the layers of a PyTorch network, but {model.name} is a finished "
                         "graph (ONNX or TFLite). Use a network with a checkpoint, such as sface.")  # fmt: skip
    require_eval_mode(model)


def with_fixed_weights(model: FaceModel):
    """The network as a function of prepared faces alone: gradients reach its input, never its weights."""
    fixed = {name: weight.detach() for name, weight in model.named_parameters()}

    def forward(prepared: Tensor) -> Tensor:
        return functional_call(model, fixed, (prepared,))

    return forward


def firing_layers(model: FaceModel) -> tuple[str, ...]:
    """Names of the layers that give activations in a forward pass, in the order in which they fire.

    Any module counts that gives a tensor, but those that only hand on (a view of) what another gave do not count again.
    """
    blank = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=model.device)
    names = [name for name, _ in model.named_modules() if name]
    with torch.no_grad(), _watch(model, names) as seen:
        model(blank)
    first = {(output.data_ptr(), output.numel()): name for name, output in reversed(seen.items())}
    return tuple(name for name in seen if name in first.values())


def norms_embedder(model: FaceModel, layers: Sequence[str], batch_size: int | None, device: str) -> Embedder:
    """Its one table holds the L2 norms of the named layers' activations, float32 n×layers; one forward pass a face."""
    return Embedder([_LayerNorms(model, layers)], batch_size, device)


class _LayerNorms(FaceModel):
    """A network that gives the norms of its layers' activations instead of the embedding."""

    def __init__(self, model: FaceModel, layers: Sequence[str]):
        super().__init__(model.name, model.input_spec, len(layers))
        known = dict(model.named_modules())
        if missing := [name for name in layers if name not in known]:
            raise InputError(f"{model.name} has no layers {', '.join(missing)}; calibrate for this network.")
        self.model, self.layers = model, tuple(layers)
        self.training = False

    def forward(self, prepared: Tensor) -> Tensor:
        with _watch(self.model, self.layers) as seen:
            self.model(prepared)
        if silent := [name for name in self.layers if name not in seen]:
            raise InputError(f"The layers {', '.join(silent)} of {self.name} take no part in its forward pass; "
                             "calibrate for this network.")  # fmt: skip
        return torch.stack([seen[name].flatten(1).norm(dim=1) for name in self.layers], dim=1)


@contextmanager
def _watch(model: FaceModel, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What the named layers give while the context lasts, by name, in the order in which they fire."""
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(_, __, output) -> None:
            if isinstance(output, Tensor):
                seen[name] = output

        return hook

    with ExitStack() as hooks:
        for name in layers:
            hooks.enter_context(model.get_submodule(name).register_forward_hook(keep(name)))
        yield seen


_SQUARE, _ALPHA, _NOISY_FACES = 14, 0.001, 10


_VIEWS = 2 + _NOISY_FACES + (FACE_SIZE // _SQUARE) ** 2


def pseudo_labels(
    images: np.ndarray, model: FaceModel, seed: int = 0, batch_size: int | None = None, device: str = "auto"
) -> np.ndarray:
    """Pseudo-label of each of n aligned faces, float64 n in [−1, 1], higher = better; `seed` is that of the noise."""
    target = resolve_device(device)
    batch_size = min(BATCH_SIZES[target.type], _VIEWS) if batch_size is None else batch_size
    own = on_device(model, target)
    (engine,) = model_engines([own], batch_size)
    views = _Views(own, seed)
    labels = np.empty(len(images))
    for i, face in enumerate(batches(images, 1)):
        parts = views(own.prepare(face)).split(batch_size)
        embeddings = np.concatenate([run_padded(engine, part, batch_size)[0] for part in parts])
        flip, noise, occlusion = np.split(rowwise_cosine(embeddings[:1], embeddings[1:]), [1, 1 + _NOISY_FACES])
        labels[i] = (flip.mean() + noise.mean() + occlusion.mean()) / 3
    return labels


class _Views:
    """A face, its mirror image, noisy and occluded faces, as the network wants its pixels: 1×3×112×112 to 76×…."""

    def __init__(self, model: FaceModel, seed: int):
        spec = model.input_spec
        noise = np.random.default_rng(seed).standard_normal((_NOISY_FACES, 3, FACE_SIZE, FACE_SIZE))
        # From the scale [−1, 1] to 0…255, and from there to the network's.
        noise = (127.5 + 127.5 * noise - spec.mean) / spec.std
        self.noise = torch.from_numpy(noise.astype(np.float32)).to(model.device)
        self.black = -spec.mean / spec.std
        side = FACE_SIZE // _SQUARE
        squares = torch.eye(side**2, dtype=torch.bool, device=model.device).reshape(-1, 1, side, side)
        self.squares = squares.repeat_interleave(_SQUARE, 2).repeat_interleave(_SQUARE, 3)

    def __call__(self, clean: Tensor) -> Tensor:
        noisy = (1 - _ALPHA) * clean + _ALPHA * self.noise
        return torch.cat([clean, clean.flip(3), noisy, clean.masked_fill(self.squares, self.black)])


# Passes that share their products: 2⁷ classes, each with enough of the features for a fast matrix product.
_TOGETHER = 7


class DropoutMaskGroups:
    """The masks of a few passes, `kept` (passes×D).

    Features that the same ones of the passes keep are a class: their products with the layer's weights are summed once,
    and each pass adds up the classes that it keeps. Seven passes then cost as much as two do one by one.
    """

    def __init__(self, kept: np.ndarray, device: torch.device):
        passes = len(kept)
        classes = 2 ** np.arange(passes) @ kept
        self.order = torch.from_numpy(np.argsort(classes, kind="stable")).to(device)
        self.sizes = np.bincount(classes, minlength=2**passes).tolist()
        bits = np.arange(2**passes) >> np.arange(passes)[:, None] & 1
        self.keeps = torch.from_numpy(bits.astype(np.float32)).to(device)  # passes × classes

    def products(self, columns: Tensor, weights: Tensor) -> Tensor:
        """Features D×n and weights D×d to the products of what each pass keeps, passes×n×d."""
        parts = (table.index_select(0, self.order).split(self.sizes) for table in (columns, weights))
        sums = torch.stack([c.T @ w for c, w in zip(*parts, strict=True)])
        return (self.keeps @ sums.flatten(1)).unflatten(1, sums.shape[1:])


def draw_masks(count: int, passes: int, dropout: float, seed: int, device: torch.device) -> list[DropoutMaskGroups]:
    """Masks that drop each of `count` features with probability `dropout`; the first of many are those of few."""
    random = np.random.default_rng(seed)
    kept = np.stack([random.random(count) >= dropout for _ in range(passes)])
    return [DropoutMaskGroups(kept[start : start + _TOGETHER], device) for start in range(0, passes, _TOGETHER)]
