"""GraFIQs: how much a network would have to change for a face to look like its training data.

Source: Kolf, Damer, Boutros, "GraFIQs: Face Image Quality Assessment Using Gradient Magnitudes", CVPR workshops 2024.
L(x) = mean over batch norms of MSE(mean of x's input activations, running mean) + MSE(their biased variance, running
variance); score = −Σ |∂L/∂z|, z the output of a block or the image. Cost: one forward and one backward pass.

As in the published implementation: only batch norms over feature maps are used (over vectors, a face has a single value
and no variance), gradients are taken with respect to activations, and statistics are computed per face. Faces can share
a batch, because the running statistics are fixed.

How well it works depends on the network. With sface, scores run against the embedding norm (Spearman −0.41 on every
tenth face of LFW; +0.20 with mobilefacenet-y1). Its batch norms are complete, but their statistics do not measure
quality. In no layer are faces with a longer embedding clearly closer to the statistics (Spearman −0.35 to +0.03,
negative in the last layers); in the middle of mobilefacenet-y1 they are (up to +0.38). And the first nine batch norms
of sface, which make up half of its L, hold 1.2 to 2.3 times the variance of faces in LFW; those of mobilefacenet-y1
hold 1.1 to 1.4 times. A network whose batch norms were folded on export has lost their statistics, and is refused.
"""

from collections.abc import Callable
from contextlib import ExitStack
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from prefiqs.errors import InputError
from prefiqs.methods._probes import derivatives, private_copy, with_fixed_weights
from prefiqs.methods._scorer import Scored, Scorer
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.fusing import FusedBatchNorm
from prefiqs.pruning.mask import embedding_layer
from prefiqs.pruning.stages import block_of, network_stages


def scorer(model: FaceModel, block: str | int = "image", batch_size: int = 4, device: str = "auto") -> Scorer:
    """Quality of n aligned faces, float32 n, at most 0, higher = better.

    block: where the gradients are summed: "image", or 1…4, the stages between stem and embedding (see `block_ends`).
    """
    own = private_copy(model, "grafiqs", device)
    magnitude = derivatives(gradient_magnitude(own, block), own, batch_size, "GraFIQs")
    return lambda images: Scored(-magnitude(images)[0])


def block_ends(model: nn.Module) -> dict[int, str]:
    """The modules whose outputs are those of the blocks 1…4: the last (up to) four stages before the embedding layer.

    In FR networks, each stage halves the resolution, from 56×56 to 7×7: `layer1` … `layer4` of an IResNet, the four
    widths of an IR network's `body`, and blocks 1-2, 3-4, 5-10 and 11-12 of SFace.
    """
    embedding = embedding_layer(model)
    stages = takewhile(lambda layers: embedding not in layers, network_stages(model).values())
    ends = [block_of(model, layers[-1]) for layers in stages]
    return dict(enumerate(ends[-4:], start=1))


def gradient_magnitude(model: FaceModel, block: str | int) -> Callable[[Tensor], Tensor]:
    """A function that maps n prepared faces to Σ |∂L/∂z| of each."""
    norms = _batch_norms(model)
    ends: dict[Any, str] = {"image": "", **block_ends(model)}
    if block not in ends:
        raise InputError(f"Unknown block {block!r}; {model.name} has {', '.join(map(repr, ends))}.")
    forward = with_fixed_weights(model)

    def function(prepared: Tensor) -> Tensor:
        losses: list[Tensor] = []
        starts = [prepared.detach()]

        def compare(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
            if inputs[0].requires_grad:  # one in front of the block has no part in the gradient
                losses.append(_discrepancy(inputs[0], norm))

        def start(_, __, output: Tensor) -> Tensor:
            starts.append(output.detach().requires_grad_())
            return starts[-1]

        with torch.enable_grad(), ExitStack() as hooks:
            for norm in norms:
                hooks.enter_context(norm.register_forward_pre_hook(compare))
            if block == "image":
                starts[0].requires_grad_()
            else:
                hooks.enter_context(model.get_submodule(ends[block]).register_forward_hook(start))
            forward(starts[0])
            if not losses:
                raise InputError(f"After block {block!r} of {model.name} there are no batch norms over feature maps; "
                                 'use block="image".')  # fmt: skip
            (gradient,) = torch.autograd.grad(sum(losses).sum() / len(norms), starts[-1])  # type: ignore[union-attr]
        return gradient.abs().flatten(1).sum(1)

    return function


def _discrepancy(features: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """How far the statistics of each face, n×c×h×w, are from those of the training data: n numbers."""
    mean = features.mean((2, 3))
    variance = (features - mean[:, :, None, None]).square().mean((2, 3))
    return (mean - norm.running_mean).square().mean(1) + (variance - norm.running_var).square().mean(1)  # type: ignore[operator]


def _batch_norms(model: FaceModel) -> list[nn.BatchNorm2d]:
    """The batch norms over feature maps; `InputError` if any are missing or have no running statistics."""
    modules = list(model.modules())
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    convolutions = sum(isinstance(module, nn.Conv2d) for module in modules)
    found = ""
    if any(isinstance(module, FusedBatchNorm) for module in modules):
        found = "them folded into other layers"
    elif not norms or len(norms) < convolutions:
        found = f"{len(norms)} of them for {convolutions} convolutions (exporters fold them into those)"
    elif any(norm.running_mean is None for norm in norms):
        found = "none with running statistics"
    if found:
        raise InputError("GraFIQs needs the batch norms over feature maps with which a network was trained, but "
                         f"{model.name} has {found}. Use a convolutional network that still has them.")  # fmt: skip
    return norms
