"""Derivatives as graphs of the CPU engine, against the same derivatives by PyTorch's autograd."""

import logging
from functools import partial

import numpy as np
import pytest
import torch
from small_networks import RGB, StagedNet, TinyNet, randomise, synthetic_faces
from torch import nn

from prefiqs.embedding.derivatives import derivative_engine
from prefiqs.models.face_model import FaceModel
from prefiqs.models.vit import ViT


def squares_and_gradient(model: FaceModel):
    """The function to Σ e² of each face and its gradient with respect to the face."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    def function(prepared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            x = prepared.detach().requires_grad_()
            squares = model(x).square().sum(1)
            (gradient,) = torch.autograd.grad(squares.sum(), x)
        return squares.detach(), gradient

    return function


def compiled_and_expected(model: FaceModel, count: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    function, prepared = squares_and_gradient(model), model.prepare(synthetic_faces(count, seed=3))
    compiled = derivative_engine(function, model.device, count, name="This")
    squares, gradient = function(prepared)
    return list(zip(compiled(prepared), (squares.numpy(), gradient.numpy()), strict=True))


class OneConvolution(FaceModel):
    """A convolution and nothing else."""

    def __init__(self, **options):
        super().__init__("one", RGB, 6)
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 6, **options)
        self.eval()

    def forward(self, prepared):
        return self.conv(prepared).tanh().mean((2, 3))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 5, "stride": 4, "padding": 2, "bias": False},
        {"kernel_size": (3, 5), "stride": (3, 2), "padding": (0, 3)},
        {"kernel_size": 3, "dilation": 2, "padding": 2, "stride": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "groups": 3},
        {"kernel_size": 9, "stride": 9},  # columns at the edge are not used
    ],
)
def test_the_gradient_of_any_convolution(options):
    with torch.random.fork_rng():
        model = OneConvolution(**options)
    for got, expected in compiled_and_expected(model):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "network", [TinyNet, StagedNet, partial(ViT, patch=28, width=16, depth=2, heads=2, embedding_size=8)]
)
def test_the_gradient_of_whole_networks(network, caplog):
    model = network()
    randomise(model, seed=1)
    with caplog.at_level(logging.WARNING):
        pairs = compiled_and_expected(model)
    assert not caplog.records  # every operation has its counterpart
    for got, expected in pairs:
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
