"""What each exit of EX-FIQA costs, counted on the network itself.

Convention, that of the EX-FIQA paper: floating-point operations of one face, a multiplication and an addition being
two; of the patch embedding, the linear layers and the two products of attention. LayerNorm, batch norm, softmax, ReLU6
and sums count as nothing. The heads count as they are published, layer by layer: `prefiqs.quality.exits` takes their
product instead, which costs next to nothing.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from prefiqs.models import FaceModel, ViTFiqa
from prefiqs.quality.exits import quality_network
from prefiqs.quality.flops import flops


class _Stopped(nn.Module):
    """A network with a quality head that stops behind a block and reads the quality there, as published."""

    def __init__(self, model: ViTFiqa, exit: int):
        super().__init__()
        self.model, self.exit = model, exit

    def forward(self, prepared: Tensor) -> Tensor:
        tokens = self.model.tokens(prepared)
        for block in self.model.blocks[: self.exit]:
            tokens = block(tokens)
        return self.model.quality(tokens)


def exit_gflops(model: FaceModel | str) -> np.ndarray:
    """GFLOPs of the quality behind each of the L blocks, float64 L; the last is that of ViT-FIQA.

    Raises:
        InputError: a network without quality head.
    """
    network = quality_network(model, "cpu")
    return np.array([flops(_Stopped(network, exit)) for exit in range(1, len(network.blocks) + 1)]) / 1e9
