"""What a network costs, counted on the network itself: a multiplication and an addition are two operations."""

from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from prefiqs.faces.template import FACE_SIZE
from prefiqs.models.face_model import FaceModel


def flops(network: nn.Module) -> int:
    """Floating-point operations of one prepared face, those of convolutions and matrix products.

    Nothing is computed: shapes alone go through the network. Counts do not depend on the weights.
    """
    shapes = {name: torch.empty_like(value, device="meta") for name, value in network.state_dict().items()}
    face = torch.empty(1, 3, FACE_SIZE, FACE_SIZE, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(network, shapes, (face,))
    return counter.get_total_flops()


def rough_flops(model: FaceModel) -> float:
    """Those of convolutional and linear layers, counted in a pass of one face; PyTorch's counter loads for a second."""
    counts = [0.0]

    def count(layer: nn.Conv2d | nn.Linear, _: tuple[Tensor, ...], output: Tensor) -> None:
        counts.append(2 * layer.weight.numel() * output.numel() / len(layer.weight))

    with torch.no_grad(), ExitStack() as hooks:
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                hooks.enter_context(layer.register_forward_hook(count))  # type: ignore[arg-type]
        model(torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=model.device))
    return sum(counts)
