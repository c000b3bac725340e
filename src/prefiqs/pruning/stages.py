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
    layers = {name.removesuffix(".weight"): len(weight) for name, weight in prunable_weights(model).items()}
    groups = {}
    for part, child in model.named_children():
        below = [name for name in layers if name == part or name.startswith(f"{part}.")]
        for stage in _cut(part, below, layers) if isinstance(child, nn.ModuleList | nn.Sequential) else [below]:
            if stage:
                groups[_name(part, stage, below)] = tuple(stage)
    return groups


def _cut(part: str, names: list[str], outputs: dict[str, int]) -> list[list[str]]:
    """The layers of a chain of blocks, cut where the number of outputs of a block, those of its last layer, changes."""
    blocks = [list(block) for _, block in groupby(names, lambda name: _block(part, name))]
    return [sum(stage, []) for _, stage in groupby(blocks, lambda block: outputs[block[-1]])]


def _block(part: str, name: str) -> str:
    return name.removeprefix(f"{part}.").split(".")[0]


def _name(part: str, stage: list[str], whole: list[str]) -> str:
    if stage == whole:
        return part
    first, last = _block(part, stage[0]), _block(part, stage[-1])
    return f"{part}.{first}" if first == last else f"{part}.{first}-{last}"
