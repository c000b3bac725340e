"""The stages of networks, against lists written by hand."""

import pytest
from small_networks import TinyNet
from torch import nn

from prefiqs.errors import InputError
from prefiqs.models.sface import SFace
from prefiqs.pruning.mask import prunable_weights
from prefiqs.pruning.prune import select_mask
from prefiqs.pruning.spec import PruningSpec
from prefiqs.pruning.stages import network_stages


def test_the_stages_of_sface_are_its_resolutions():
    groups = network_stages(SFace())
    # 112×112 with 32 channels, with 64; then 56×56, 28×28, 14×14, 7×7; then the embedding.
    blocks = {"blocks.0": [0], "blocks.1-2": [1, 2], "blocks.3-4": [3, 4], "blocks.5-10": range(5, 11)}
    blocks |= {"blocks.11-12": [11, 12]}
    parts = ("depthwise", "pointwise")
    expected = {s: tuple(f"blocks.{i}.{part}.conv" for i in numbers for part in parts) for s, numbers in blocks.items()}
    assert groups == {"stem": ("stem.conv",), **expected, "embedding": ("embedding",)}
    assert list(groups) == ["stem", *blocks, "embedding"]


def residual(inputs: int, outputs: int) -> nn.Module:
    """A block as in an IResNet: its last layer is a 1×1 convolution where the width changes, else a 3×3 one."""
    block = nn.Module()
    block.conv1, block.conv2 = nn.Conv2d(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3)
    if inputs != outputs:
        block.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
    return block


def test_stages_at_top_level_stay_whole():
    network = nn.Module()
    network.conv1, network.bn1 = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
    network.layer1 = nn.Sequential(residual(4, 6), residual(6, 6))
    network.layer2 = nn.Sequential(residual(6, 8), residual(8, 8), residual(8, 8))
    network.conv1x1, network.fc = nn.Conv2d(8, 8, 1), nn.Linear(8, 2)  # the name of one begins like another's
    groups = network_stages(network)
    assert list(groups) == ["conv1", "layer1", "layer2", "conv1x1", "fc"]
    assert groups["conv1"] == ("conv1",)
    assert groups["layer1"] == tuple(
        f"layer1.{n}" for n in ("0.conv1", "0.conv2", "0.downsample.0", "1.conv1", "1.conv2")
    )


def test_a_chain_of_blocks_is_cut_where_its_width_changes():
    network = nn.Module()
    # Twelve blocks, so that a number is the beginning of another; a stage may come back to an earlier width.
    widths = [4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 8, 4]
    network.body = nn.Sequential(*(residual(i, o) for i, o in zip([3, *widths], widths, strict=False)))
    groups = network_stages(network)
    assert list(groups) == ["body.0-1", "body.2-9", "body.10", "body.11"]
    assert groups["body.10"] == ("body.10.conv1", "body.10.conv2", "body.10.downsample.0")


def test_blocks_of_one_width_are_one_stage():
    network = nn.Module()
    network.patch_embed = nn.Conv2d(3, 4, 9)
    network.blocks = nn.ModuleList(nn.ModuleDict({"qkv": nn.Linear(4, 12), "fc2": nn.Linear(8, 4)}) for _ in range(12))
    assert list(network_stages(network)) == ["patch_embed", "blocks"]


@pytest.mark.parametrize("build", [TinyNet, SFace])
def test_each_layer_is_in_one_stage_and_can_be_pruned_there(build):
    network = build()
    groups = network_stages(network)
    assert [f"{name}.weight" for layers in groups.values() for name in layers] == list(prunable_weights(network))
    for layers in groups.values():
        size = sum(network.get_submodule(name).weight.numel() for name in layers)
        mask = select_mask(network, PruningSpec(0.5, layers=layers))
        assert mask.sparsity == (size // 2) / size


def test_a_network_without_weights():
    with pytest.raises(InputError, match="no convolution or linear layers"):
        network_stages(nn.ReLU())
