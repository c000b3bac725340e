"""The stages of a network, from the layers next to the image to the embedding."""

from itertools import groupby

from torch import nn

from prefiqs.pruning.mask import prunable_weights


def network_stages(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Names of the prunable layers by stage, in module order; each layer is in exactly one stage.

    A stage is a part of the network at top level: `conv1`, `layer1` … `layer4` and `fc` of an IResNet. A chain of
    blocks at top level is cut where the width of the blocks changes, which in networks for faces is also where the
    resolution does; its stages are named by their first and last block, such as `blocks.5-10` of SFace.

    The names of a stage can be given as `layers` to a spec. Raises `InputError` for a network without weights.
    """
    outputs = {name.removesuffix(".weight"): len(weight) for name, weight in prunable_weights(model).items()}
    stages = {}
    for part, below in groupby(outputs, lambda layer: layer.split(".")[0]):
        blocks = [list(block) for _, block in groupby(below, lambda layer: block_of(model, layer))]
        # The number of outputs of a block are those of its last layer.
        found = [sum(stage, []) for _, stage in groupby(blocks, lambda block: outputs[block[-1]])]
        for stage in found:
            ends = dict.fromkeys(block_of(model, layer).removeprefix(f"{part}.") for layer in (stage[0], stage[-1]))
            stages[part if len(found) == 1 else f"{part}.{'-'.join(ends)}"] = tuple(stage)
    return stages


def block_of(model: nn.Module, layer: str) -> str:
    """The block of a chain at top level that a layer is in, `blocks.5` of `blocks.5.depthwise.conv`; else its part."""
    part, *below = layer.split(".")
    chain = isinstance(model.get_submodule(part), nn.ModuleList | nn.Sequential)
    return f"{part}.{below[0]}" if chain else part
