"""YuNet, which finds faces and five points of each, run by OpenVINO.

Source: Wu, Peng, Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 2023. Boxes and
points are decoded as in OpenCV's `FaceDetectorYN`.
"""

import os
import threading
from contextlib import suppress
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from prefiqs.assets.fetch import fetch
from prefiqs.assets.location import data_root

if TYPE_CHECKING:
    import openvino as ov

CONFIDENCE = 0.6
_TILE = 1024
_SIDES = (512, 640, _TILE)  # longer sides of what the network is compiled for
POINTS = [0, 1, *range(4, 14)]  # columns of a face that are points: a corner of the box, and the landmarks
_SEAM = 128  # by which tiles overlap
_OVERLAP = 0.3  # intersection over union from which two boxes are one face
_STRIDES = (8, 16, 32)
_compiling = threading.Lock()
_own = threading.local()


def compile_ahead() -> threading.Thread:
    """Compile what most photos need, those of 3:4, 2:3 and 9:16, in a thread, while the caller does other things.

    Raises `AssetError` if the network cannot be fetched.
    """
    import openvino as ov  # which takes a while, and who reads benchmarks needs no detector

    _ = ov.Tensor(np.zeros(1, np.uint8)).data  # two threads that exchange the first arrays would wait for ever
    root, shapes = data_root(), ((480, 640), (640, 480))
    fetch("yunet", root)

    def compile_them() -> None:
        with suppress(RuntimeError):  # which is raised again by the first photo
            for shape in shapes:
                _request(root, *shape)

    thread = threading.Thread(target=compile_them)
    thread.start()
    return thread


def detect(image: np.ndarray) -> np.ndarray:
    """The faces in an image, the most confident first: n×15 (box 4, points 10, confidence), in its pixels.

    image: uint8 RGB h×w×3, in which faces of about 10 to 300 pixels are seen; in overlapping tiles if a side has over
    `_TILE` pixels. The same image gives the same faces, bit for bit, in any thread, on any number of cores.
    """
    tops, lefts = (range(0, max(1, extent - _SEAM), _TILE - _SEAM) for extent in image.shape[:2])
    found = []
    for top, left in product(tops, lefts):
        faces = _in_tile(image[top : top + _TILE, left : left + _TILE])
        faces[:, POINTS] += np.tile([left, top], 6)
        found.append(faces)
    faces = np.concatenate(found)
    return distinct(faces[np.argsort(-faces[:, 14], kind="stable")]) if len(found) > 1 else faces


def _in_tile(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    side = next(side for side in _SIDES if side >= max(height, width))
    step = side // 4  # the shorter side is rounded up, as each shape of the input is compiled for itself
    rows, columns = (-(-extent // step) * step for extent in (height, width))
    whole = cv2.copyMakeBorder(image, 0, rows - height, 0, columns - width, cv2.BORDER_CONSTANT)
    request = _request(data_root(), rows, columns)
    outputs = [*request.infer(whole[None], share_inputs=True, share_outputs=True).values()]  # three of each kind
    faces = np.concatenate([_decoded(stride, columns // stride, *outputs[i::3]) for i, stride in enumerate(_STRIDES)])
    kept = cv2.dnn.NMSBoxes(faces[:, :4].tolist(), faces[:, 14].tolist(), CONFIDENCE, _OVERLAP)
    return faces[np.asarray(kept, int)]


def distinct(faces: np.ndarray) -> np.ndarray:
    """Of faces that were found in several ways (n×15), the first of those that have one's centre in the other's box."""
    start, end = faces[:, :2], faces[:, :2] + faces[:, 2:4]
    centre = (start + end) / 2
    kept: list[int] = []
    for i in range(len(faces)):
        in_a_box = (centre[i] > start[kept]) & (centre[i] < end[kept])
        in_its_box = (centre[kept] > start[i]) & (centre[kept] < end[i])
        if not (in_a_box.all(axis=1) | in_its_box.all(axis=1)).any():
            kept.append(i)
    return faces[kept]


def _decoded(
    stride: int, columns: int, classes: np.ndarray, objects: np.ndarray, boxes: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """The candidates of one stride that are confident enough, n×15."""
    confidence = np.sqrt(classes[0, :, 0].clip(0, 1) * objects[0, :, 0].clip(0, 1))
    cells = np.flatnonzero(confidence >= CONFIDENCE)
    boxes, points = (kind[0, cells].astype(np.float64) for kind in (boxes, points))
    corner = np.stack([cells % columns, cells // columns], axis=1)
    size = np.exp(boxes[:, 2:])
    found = np.hstack([corner + boxes[:, :2] - size / 2, size, points + np.tile(corner, 5)]) * stride
    return np.column_stack([found, confidence[cells]])


def _request(root: Path, rows: int, columns: int) -> "ov.InferRequest":
    """An infer request of this thread's own: one serves one thread at a time."""
    with _compiling:
        compiled = _compiled(root, rows, columns)
    requests = _own.__dict__.setdefault("requests", {})
    if compiled not in requests:
        requests[compiled] = compiled.create_infer_request()
    return requests[compiled]


@cache  # of 21 shapes
def _compiled(root: Path, rows: int, columns: int) -> "ov.CompiledModel":
    """The network for one shape of input, with as many streams as there are cores, of one thread each."""
    import openvino as ov
    from openvino.preprocess import ColorFormat, PrePostProcessor

    _ = ov.Tensor(np.zeros(1, np.uint8)).data  # two threads that exchange the first arrays would wait for ever
    core = ov.Core()
    graph = core.read_model(fetch("yunet", root))
    graph.reshape([1, 3, rows, columns])
    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(ColorFormat.RGB)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_color(ColorFormat.BGR)
    graph = steps.build()
    cores = os.cpu_count() or 1
    options = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores}
    return core.compile_model(graph, "CPU", options)
