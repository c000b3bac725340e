"""Weights that two networks of one graph have in common, held once."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def share_weights(content: onnx.ModelProto, original: str = "model.", copy: str = "pruned.") -> None:
    """Replace, in place, each initialiser of the copy that is the original's with some values set to zero.

    The copy's value becomes `Where(mask, 0, original)`, bit for bit what it was; the mask takes a byte a weight instead
    of four. Values that are the same are held once. What differs otherwise (channels are gone) stays as it is.
    """
    graph = content.graph
    held = {initializer.name: initializer for initializer in graph.initializer}
    nodes, zero = [], numpy_helper.from_array(np.array(0, np.float32), "zero")
    for name in [name for name in held if name.startswith(copy)]:
        source = held.get(original + name.removeprefix(copy))
        if source is None or source.dims != held[name].dims:
            continue
        whole, part = numpy_helper.to_array(source), numpy_helper.to_array(held[name])
        removed = (part == 0) & (whole != 0)
        if not np.array_equal(np.where(removed, 0, whole), part):
            continue
        graph.initializer.remove(held[name])
        if removed.any():
            graph.initializer.append(numpy_helper.from_array(removed, f"removed.{name}"))
            nodes.append(helper.make_node("Where", [f"removed.{name}", zero.name, source.name], [name]))
        else:
            nodes.append(helper.make_node("Identity", [source.name], [name]))
    if nodes:
        graph.initializer.append(zero)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
