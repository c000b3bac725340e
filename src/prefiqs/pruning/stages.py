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
    groups = {}
    for part, child in model.named_children():
        below = [name for name in outputs if f"{name}.".startswith(f"{part}.")]
        stages = [below] if below else []
        if isinstance(child, nn.ModuleList | nn.Sequential):
            blocks = [list(block) for _, block in groupby(below, _block)]
            # The number of outputs of a block are those of its last layer.
            stages = [sum(stage, []) for _, stage in groupby(blocks, lambda block: outputs[block[-1]])]
        for stage in stages:
            first, last = _block(stage[0]), _block(stage[-1])
            blocks_of_stage = first if first == last else f"{first}-{last}"
            groups[part if stage == below else f"{part}.{blocks_of_stage}"] = tuple(stage)
    return groups


def _block(layer: str) -> str:
    """The block of a chain that a layer is in: `5` of `blocks.5.depthwise.conv`."""
    return f"{layer}.".split(".")[1]
