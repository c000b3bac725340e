"""Folded batch norm against the textbook formula in numpy, and what must not be folded."""

import numpy as np
import pytest
import torch
from small_networks import PRUNABLE, RGB, Snapshot, TinyNet, embedded_by_hand, synthetic_faces
from torch import nn

from prefiqs import embed
from prefiqs.errors import InputError
from prefiqs.models.face_model import FaceModel
from prefiqs.pruning.fusing import fuse_batch_norm


def test_weights_and_biases_are_those_of_the_formula(tiny):
    folded = fuse_batch_norm(tiny)
    for name in PRUNABLE:
        layer, norm, result = tiny.get_submodule(name), tiny.get_submodule(f"{name}_bn"), folded.get_submodule(name)
        weight = layer.weight.detach().numpy().astype(np.float64)
        bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
        variance, mean = norm.running_var.numpy().astype(np.float64), norm.running_mean.numpy()
        scale = norm.weight.detach().numpy() / np.sqrt(variance + norm.eps)
        expected = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        np.testing.assert_allclose(result.weight.detach(), expected, rtol=1e-5)
        shift = (bias - mean) * scale + norm.bias.detach().numpy()
        np.testing.assert_allclose(result.bias.detach(), shift, rtol=1e-4, atol=1e-6)
        assert isinstance(folded.get_submodule(f"{name}_bn"), nn.Identity)


def test_the_folded_network_is_a_face_model_that_embeds_alike(tiny):
    before, faces = Snapshot(tiny), synthetic_faces(5)
    folded = fuse_batch_norm(tiny)
    before.assert_unchanged()
    assert type(folded) is TinyNet and not folded.training
    assert (folded.name, folded.input_spec, folded.embedding_size) == (tiny.name, tiny.input_spec, 8)
    np.testing.assert_allclose(embedded_by_hand(folded, faces), embedded_by_hand(tiny, faces), atol=1e-5)
    # Both in one call: networks of one class share their graph only if they are built alike.
    np.testing.assert_allclose(*embed([tiny, folded], faces, device="cpu"), atol=1e-5)


def test_the_real_network_embeds_alike_and_keeps_the_norm_before_its_embedding_layer(sface):
    folded, faces = fuse_batch_norm(sface), synthetic_faces(3)
    np.testing.assert_allclose(embedded_by_hand(folded, faces), embedded_by_hand(sface, faces), atol=1e-5)
    norms = [name for name, module in folded.named_modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert norms == ["head_bn"]  # 27 others went into convolutions, one into the embedding layer


def test_a_batch_norm_without_scale_and_shift(tiny):
    """As behind the embedding layer of CurricularFace and AdaFace."""
    tiny.stem_bn, tiny.embedding_bn = nn.BatchNorm2d(8, affine=False), nn.BatchNorm1d(8, affine=False)
    for norm, seed in [(tiny.stem_bn, 1), (tiny.embedding_bn, 2)]:
        generator = torch.Generator().manual_seed(seed)
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
    folded, faces = fuse_batch_norm(tiny.eval()), synthetic_faces(3)
    assert not [module for module in folded.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    np.testing.assert_allclose(embedded_by_hand(folded, faces), embedded_by_hand(tiny, faces), atol=1e-5)


class Tricky(FaceModel):
    """Batch norms that cannot be folded, beside one that can, in places where a search by neighbourhood would err."""

    def __init__(self):
        super().__init__("tricky", RGB, 4)
        self.branch, self.branch_bn = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)  # its result is used twice
        self.shared, self.shared_bn = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)  # the layer is used twice
        self.activation, self.activation_bn = nn.PReLU(4), nn.BatchNorm2d(4)  # nothing with weights before it
        self.final_bn, self.final = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)  # before its layer by name, behind by use
        generator = torch.Generator().manual_seed(0)
        for name, value in self.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        self.eval()

    def forward(self, x):
        x = self.branch(x)
        x = x + self.branch_bn(x)
        x = self.shared(self.shared_bn(self.shared(x)))
        x = self.activation_bn(self.activation(x))
        return self.final_bn(self.final(x)).mean((2, 3))


def test_only_what_is_directly_behind_a_layer_and_used_once_is_folded():
    tricky = Tricky()
    folded = fuse_batch_norm(tricky)
    gone = [name for name, module in folded.named_modules() if isinstance(module, nn.Identity)]
    assert gone == ["final_bn"]
    faces = synthetic_faces(3)
    np.testing.assert_allclose(embedded_by_hand(folded, faces), embedded_by_hand(tricky, faces), atol=1e-5)


def test_networks_that_cannot_be_folded(tiny):
    class Undecided(TinyNet):
        def forward(self, prepared):
            return super().forward(prepared if prepared.sum() > 0 else -prepared)

    with pytest.raises(InputError, match="torch.fx cannot trace Undecided"):
        fuse_batch_norm(Undecided())
    with pytest.raises(InputError, match=r"is in training mode; call .eval"):
        fuse_batch_norm(tiny.train())
