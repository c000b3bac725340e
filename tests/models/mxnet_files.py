"""Files as MXNet writes them, byte by byte, and what the network in such files computes, layer by layer."""

import io
import json
import math
import struct
from ast import literal_eval

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (its usual name)

SHAPES = {
    "c_weight": (4, 3, 3, 3), "b_gamma": (4,), "b_beta": (4,), "b_mean": (4,), "b_var": (4,), "a_gamma": (4,),
    "f_weight": (5, 4 * 56 * 56), "f_bias": (5,),
}  # fmt: skip
NODES = [
    ("_minus_scalar", "minus", {"scalar": "127.5"}, ["data"]),
    ("_mul_scalar", "times", {"scalar": "0.0078125"}, ["minus"]),
    ("Convolution", "c", {"kernel": "(3, 3)", "num_filter": "4", "stride": "(2, 2)", "pad": "(1, 1)",
                          "no_bias": "True"}, ["times", "c_weight"]),
    ("BatchNorm", "b", {"eps": "2e-05", "fix_gamma": "True"}, ["c", "b_gamma", "b_beta", "b_mean", "b_var"]),
    ("LeakyReLU", "a", {"act_type": "prelu"}, ["b", "a_gamma"]),
    ("FullyConnected", "f", {"num_hidden": "5"}, ["a", "f_weight", "f_bias"]),
]  # fmt: skip


def mxnet_arrays():
    random = np.random.default_rng(0)
    found = {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    return found | {"b_var": np.abs(found["b_var"]) + 0.5}


# How an array begins, by the first word of its newer forms; before these it is the number of axes.
FORMS = {0xF993FACA: "IiI{}q", 0xF993FAC9: "IiI{}q", 0xF993FAC8: "II{}q", None: "I{}I"}


def write_mxnet(folder, arrays, nodes=NODES, form=0xF993FAC9):
    entries = [{"op": "null", "name": name, "inputs": []} for name in ["data", *arrays]]
    place = {name: i for i, name in enumerate(["data", *arrays, *(name for _, name, _, _ in nodes)])}
    for op, name, attributes, inputs in nodes:
        entries.append({"op": op, "name": name, "attrs": attributes, "inputs": [[place[i], 0, 0] for i in inputs]})
    (folder / "net-symbol.json").write_text(json.dumps({"nodes": entries, "heads": [[len(entries) - 1, 0, 0]]}))
    content = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for values in arrays.values():
        words = [*([form] if form else []), *([0] if "i" in FORMS[form] else []), values.ndim]
        content += struct.pack(f"<{FORMS[form]}".format(values.ndim), *words, *values.shape)
        content += struct.pack("<iii", 1, 0, 0) + values.tobytes()
    content += struct.pack("<Q", len(arrays))
    for name in arrays:
        key = f"{'aux' if name.endswith(('_mean', '_var')) else 'arg'}:{name}".encode()
        content += struct.pack("<Q", len(key)) + key
    (folder / "net-0000.params").write_bytes(content)
    return folder / "net-0000.params"


def read_params(path):
    """The float32 arrays of a .params file by name."""
    file = io.BytesIO(path.read_bytes())

    def take(form):
        return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))

    arrays = []
    for _ in range(take("QQQ")[2]):
        shape = take(f"{take('IiI')[2]}q")
        assert take("iii")[2] == 0
        arrays.append(np.frombuffer(file.read(4 * math.prod(shape)), "<f4").reshape(shape))
    names = [take(f"{take('Q')[0]}s")[0].decode() for _ in range(take("Q")[0])]
    return {name.partition(":")[2]: torch.tensor(values) for name, values in zip(names, arrays, strict=True)}


def run_mobilefacenet(params, symbol, pixels):
    """What the layers of a MobileFaceNet compute from pixels, float32 n×3×112×112 in 0…255: embeddings n×d."""
    tensors, values = read_params(params) | {"data": pixels}, []
    for node in json.loads(symbol.read_text())["nodes"]:
        x, *others = [values[source] for source, _, _ in node["inputs"]] or [None]
        own = node.get("attrs", {})
        match node["op"]:
            case "null":
                values.append(tensors[node["name"]])
            case "_minus_scalar":
                values.append(x - float(own["scalar"]))
            case "_mul_scalar":
                values.append(x * float(own["scalar"]))
            case "Convolution":
                stride, padding = literal_eval(own["stride"]), literal_eval(own["pad"])
                values.append(F.conv2d(x, *others, None, stride, padding, 1, int(own["num_group"])))
            case "BatchNorm":
                gamma, beta, mean, var = others
                scale = torch.ones_like(gamma) if own["fix_gamma"] == "True" else gamma
                values.append(F.batch_norm(x, mean, var, scale, beta, eps=float(own.get("eps", 1e-3))))
            case "LeakyReLU":
                values.append(F.prelu(x, *others))
            case "elemwise_add":
                values.append(x + others[0])
            case "FullyConnected":
                values.append(F.linear(x.flatten(1), *others))
            case other:
                raise ValueError(other)
    return values[-1]
