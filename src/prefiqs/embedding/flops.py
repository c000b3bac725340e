"""What a network costs, counted on the network itself: a multiplication and an addition are two operations."""

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from prefiqs.faces.template import FACE_SIZE


def flops(network: nn.Module) -> int:
    """Floating-point operations of one prepared face, those of convolutions and matrix products.

    Nothing is computed: shapes alone go through the network. Counts do not depend on the weights.
    """
    shapes = {name: torch.empty_like(value, device="meta") for name, value in network.state_dict().items()}
    face = torch.empty(1, 3, FACE_SIZE, FACE_SIZE, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(network, shapes, (face,))
    return counter.get_total_flops()
