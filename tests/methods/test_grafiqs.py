"""GraFIQs against one face at a time, layer by layer in float64, and the networks it refuses."""

import copy

import numpy as np
import pytest
import torch
from small_networks import RGB, StagedNet, TinyNet, prepared_by_hand, synthetic_faces
from torch import nn

import prefiqs
from prefiqs.errors import InputError
from prefiqs.methods import _probes, grafiqs
from prefiqs.models.face_model import FaceModel
from prefiqs.models.iresnet import IR, IResNet
from prefiqs.models.sface import SFace
from prefiqs.models.vit import ViT
from prefiqs.pruning.fusing import fuse_batch_norm


class Recorder:
    """Runs layers one after the other and adds up what the batch norms think of their inputs."""

    def __init__(self):
        self.losses = []

    def __call__(self, x, *layers):
        for layer in layers:
            if isinstance(layer, nn.BatchNorm2d):
                values = x[0].flatten(1)  # of the one face: channels × pixels
                mean = values.sum(1) / values.shape[1]
                variance = ((values - mean[:, None]) ** 2).sum(1) / values.shape[1]
                mse = nn.MSELoss()
                self.losses.append(mse(mean, layer.running_mean) + mse(variance, layer.running_var))
            x = layer(x)
        return x


def run_tiny(model, x, record) -> list[torch.Tensor]:
    one = record(x, model.stem)
    two = record(one, model.stem_bn, model.stem_prelu, model.depthwise)
    three = record(two, model.depthwise_bn, model.pointwise)
    record(three, model.pointwise_bn, model.pointwise_prelu)
    return [x, one, two, three]


def run_staged(model, x, record) -> list[torch.Tensor]:
    outputs = [x]
    features = record(x, model.conv1, model.bn1, model.prelu)
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        block = stage[0]
        inner = record(features, block.bn1, block.conv1, block.bn2, block.prelu, block.conv2, block.bn3)
        features = inner + record(features, *block.downsample)
        outputs.append(features)
    record(features, model.bn2)
    return outputs


def by_hand(model: FaceModel, faces: np.ndarray) -> np.ndarray:
    """Scores of every variant, faces × (image, block 1, …)."""
    model, run = model.double(), {TinyNet: run_tiny, StagedNet: run_staged}[type(model)]
    rows = []
    for face in torch.from_numpy(prepared_by_hand(faces)).double():
        record = Recorder()
        outputs = run(model, face[None].requires_grad_(), record)
        loss = sum(record.losses) / len(record.losses)
        rows.append([-g.abs().sum().item() for g in torch.autograd.grad(loss, outputs)])
    return np.array(rows)


@pytest.mark.long
@pytest.mark.parametrize(("network", "blocks"), [(TinyNet, 3), (StagedNet, 4)])
def test_equals_one_face_at_a_time(network, blocks, faces):
    expected = by_hand(network(), faces)
    for column, block in enumerate(["image", *range(1, blocks + 1)]):
        scores = prefiqs.score(faces, "grafiqs", network(), block=block)
        np.testing.assert_allclose(scores, expected[:, column], rtol=1e-5)


def test_the_gradient_is_that_of_finite_differences(tiny, faces):
    """A few pixels moved by hand, so that not even autograd is taken on trust."""
    model, step = tiny.double(), 1e-5
    face = torch.from_numpy(prepared_by_hand(faces[:1])).double()

    def loss(x):
        record = Recorder()
        run_tiny(model, x, record)
        return sum(record.losses) / 3

    with torch.no_grad():
        moved = []
        for row, column in ((3, 7), (50, 60), (111, 0)):
            for channel in range(3):
                up, down = face.clone(), face.clone()
                up[0, channel, row, column] += step
                down[0, channel, row, column] -= step
                moved.append(float(loss(up) - loss(down)) / (2 * step))
    x = face.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x), x)
    np.testing.assert_allclose(gradient[0, :, [3, 50, 111], [7, 60, 0]].T.flatten(), moved, rtol=1e-6, atol=1e-9)


@pytest.mark.long
@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_faces_in_a_batch_do_not_mix(faces, batch_size):
    expected = prefiqs.score(faces, "grafiqs", StagedNet(), block=2)
    scores = prefiqs.score(faces, "grafiqs", StagedNet(), block=2, batch_size=batch_size)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


@pytest.mark.parametrize("block", ["image", 4])
def test_the_compiled_gradient_equals_the_eager_one(block, in_eager_pytorch):
    many = synthetic_faces(130, seed=5)
    compiled = prefiqs.score(many, "grafiqs", StagedNet(), block=block)
    in_eager_pytorch(_probes)
    np.testing.assert_allclose(compiled, prefiqs.score(many, "grafiqs", StagedNet(), block=block), rtol=1e-4)


@pytest.mark.long
def test_the_compiled_gradient_of_sface_equals_the_eager_one(sface, orl, in_eager_pytorch):
    faces = orl.images[::200]
    compiled = prefiqs.score(faces, "grafiqs", sface)
    in_eager_pytorch(_probes)
    np.testing.assert_allclose(compiled, prefiqs.score(faces, "grafiqs", sface), rtol=1e-4)


def test_blocks_are_where_the_resolution_was_halved():
    """56×56 to 7×7 in each family of networks for faces; only the shapes are looked at, so no weights are drawn."""
    with torch.device("meta"):
        networks = [IResNet((1, 2, 1, 1)), IR((2, 1, 2, 1), True), SFace()]
        ends = [{1: "layer1.0", 2: "layer2.1", 3: "layer3.0", 4: "layer4.0"}]
        ends += [{1: "body.1", 2: "body.2", 3: "body.4", 4: "body.5"}]
        ends += [{1: "blocks.2", 2: "blocks.4", 3: "blocks.10", 4: "blocks.12"}]
        for network, expected in zip(networks, ends, strict=True):
            assert grafiqs.block_ends(network) == expected
            sizes = []
            for name in expected.values():
                network.get_submodule(name).register_forward_hook(lambda *a, s=sizes: s.append(a[2].shape[2:]))
            network(torch.zeros(1, 3, 112, 112))
            assert sizes == [(56, 56), (28, 28), (14, 14), (7, 7)]


def test_blocks_that_a_network_has_not(tiny, faces):
    with pytest.raises(InputError, match="Unknown block 4; tiny-0 has 'image', 1, 2, 3"):
        prefiqs.score(faces, "grafiqs", tiny, block=4)
    with pytest.raises(InputError, match="Unknown block 'stem'; staged-0 has 'image', 1, 2, 3, 4"):
        prefiqs.score(faces, "grafiqs", StagedNet(), block="stem")


class NormInFront(FaceModel):
    """Its last batch norm over feature maps is in front of the last stage."""

    def __init__(self):
        super().__init__("front", RGB, 2)
        self.norm, self.conv, self.linear = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 7, 7), nn.Linear(4, 2)
        self.eval()

    def forward(self, prepared):
        return self.linear(self.conv(self.norm(prepared)).mean((2, 3)))


def test_a_block_without_batch_norms_behind_it(faces):
    assert (prefiqs.score(faces, "grafiqs", NormInFront()) < 0).all()
    with pytest.raises(InputError, match="After block 1 of front there are no batch norms"):
        prefiqs.score(faces, "grafiqs", NormInFront(), block=1)


def test_networks_without_their_batch_norms(tiny, faces):
    message = "GraFIQs needs the batch norms over feature maps with which a network was trained, but"
    with pytest.raises(InputError, match=f"{message} tiny-0 has them folded"):
        prefiqs.score(faces, "grafiqs", fuse_batch_norm(tiny))
    vit = ViT(patch=28, width=8, depth=1, heads=2, embedding_size=4)  # its batch norms are over vectors
    with pytest.raises(InputError, match=f"{message} vit has 0 of them for 1 convolutions"):
        prefiqs.score(faces, "grafiqs", vit)
    exported = copy.deepcopy(tiny)
    exported.depthwise_bn = nn.Identity()
    with pytest.raises(InputError, match=rf"{message} tiny-0 has 2 of them for 3 convolutions \(exporters fold them"):
        prefiqs.score(faces, "grafiqs", exported)
    tiny.stem_bn = nn.BatchNorm2d(8, track_running_stats=False)
    with pytest.raises(InputError, match=f"{message} tiny-0 has none with"):
        prefiqs.score(faces, "grafiqs", tiny.eval())


def test_partly_folded_networks_are_refused_too(sface, faces):
    """One batch norm of SFace cannot be folded: its gradient alone would be another method."""
    with pytest.raises(InputError, match="sface has them folded"):
        prefiqs.score(faces, "grafiqs", fuse_batch_norm(sface))
