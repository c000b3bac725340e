"""From photos to scores, beside the bare sum of the parts, with 12 megapixels and in a new process; and to a report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from benchmarks.embedding import batch_again
from benchmarks.harness import Figure, dearer, faster, seconds_of

import prefiqs
from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.assets.fetch import fetch, fetch_all
from prefiqs.embedding.engines import model_engines
from prefiqs.faces.decode import decode_photo, read_photo
from prefiqs.faces.find import find_images
from prefiqs.faces.template import align_to_template

CORES = os.cpu_count() or 1
PHOTOS, LARGE, STARTS = 96, 16, 5
ALLOWED = 120  # seconds, for a report
FIRST = """
import sys, time
start = time.perf_counter()
import prefiqs
prefiqs.photo_scorer(sys.argv[1])(sys.argv[2])
print(time.perf_counter() - start)
"""


def run() -> Iterator[Figure]:
    """The figures of scores are for PreFIQs with sface, which takes two forward passes."""
    people = sorted(fetch("orl").rglob("*.pgm"))
    scorer = PhotoScorer("prefiqs", "sface", device="cpu")
    engine = model_engines([prefiqs.load_model("sface", device="cpu")], 16)[0]
    yunet = bare_yunet(640)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(CORES) as pool:
        usual = write_photos(people, PHOTOS, 500, 400, Path(name) / "usual")
        large = write_photos(people, LARGE, 4000, 3000, Path(name) / "large")

        def parts() -> None:
            list(pool.map(decode_file, usual))
            list(pool.map(yunet, range(PHOTOS)))
            batch_again(engine, 16, 2 * PHOTOS // 16)

        def as_before() -> None:
            faces = np.stack(list(pool.map(largest_face, large)))
            batch_again(engine, 16, 2 * len(faces) // 16)

        parts_named = "decoding + YuNet in OpenVINO at 640×640 + two forward passes"
        yield dearer(f"prefiqs score, {PHOTOS} photos of 500×400 pixels", parts_named,
                     partial(consume, scorer, usual), parts, "≤ 1.25", turns=11)  # fmt: skip
        before = "decoding in full + YuNet in OpenCV at up to 1,024 pixels + two forward passes"
        yield faster(f"prefiqs score, {LARGE} photos of 12 megapixels", before,
                     partial(consume, scorer, large), as_before, "≥ 3")  # fmt: skip
        for method in ("prefiqs", "pruning-margin"):
            child = [sys.executable, "-c", FIRST, method, str(usual[0])]
            seconds = [float(subprocess.run(child, check=True, capture_output=True).stdout) for _ in range(STARTS)]
            ratios = np.array(seconds) / 3
            yield Figure(f"first score of a new process, {method}", "3 seconds", float(np.median(ratios)),
                         float(ratios.min()), float(ratios.max()), "≤ 1")  # fmt: skip
        yield people_to_report(people, Path(name))


def people_to_report(people: list[Path], folder: Path) -> Figure:
    """The first eight photos of each person in ORL; weights are there already."""
    fetch_all()
    chosen = [path for path in people if int(path.stem) <= 8]
    for path in chosen:
        (folder / "people" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "people" / path.parent.name)
    names = {path.parent.name for path in chosen}
    command = [sys.executable, "-m", "prefiqs.cli", "benchmark", str(folder / "people")]
    command += ["--verifier", "mobilefacenet-512", "--out", str(folder / "report")]
    took = seconds_of(lambda: subprocess.run(command, check=True, capture_output=True))
    assert (folder / "report" / "report.html").is_file()
    work = f"prefiqs benchmark, {len(names)} people × {len(chosen) // len(names)} photos, to the report"
    return Figure(work, f"{ALLOWED} seconds", *[took / ALLOWED] * 3, "≤ 1", {"seconds": round(took, 1)})


def write_photos(people: list[Path], count: int, width: int, height: int, folder: Path) -> list[Path]:
    """JPEGs of one person each, who takes 60 % of the height, with the noise of a camera, so that decoding costs."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 4, (height, width, 1))
    for i in range(count):
        scene = cv2.resize(rng.integers(60, 190, (12, 16, 3), np.uint8), (width, height))
        factor = 0.6 * height / 112
        photo = cv2.resize(read_photo(people[i * len(people) // count]), None, fx=factor, fy=factor)
        top, left = (height - photo.shape[0]) // 2, (width - photo.shape[1]) // 2
        scene[top : top + photo.shape[0], left : left + photo.shape[1]] = photo
        cv2.imwrite(str(folder / f"{i}.jpg"), np.clip(scene + noise, 0, 255).astype(np.uint8))
    return sorted(folder.iterdir())


def consume(scorer: PhotoScorer, paths: Iterable[Path]) -> None:
    """All rows; each photo must have a score."""
    assert all(rows[0]["status"] == "ok" for rows in scorer(find_images(list(paths))))


def decode_file(path: Path) -> np.ndarray:
    """A photo in full."""
    return decode_photo(path.read_bytes(), str(path))


def bare_yunet(side: int) -> Callable[[int], object]:
    """YuNet alone, on an image in memory; the argument does not matter."""
    core = ov.Core()
    graph = core.read_model(fetch("yunet"))
    graph.reshape([1, 3, side, side])
    options = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": CORES, "INFERENCE_NUM_THREADS": CORES}
    compiled = core.compile_model(graph, "CPU", options)
    image = np.zeros((1, 3, side, side), np.float32)
    return lambda _: compiled.create_infer_request().infer([image], share_inputs=True, share_outputs=True)


def largest_face(path: Path) -> np.ndarray:
    """As before: the edge repeated, 1,024 pixels, OpenCV's detector, and a crop of the whole photo."""
    photo = decode_file(path)
    height, width = photo.shape[:2]
    padded = cv2.copyMakeBorder(photo, height // 4, height // 4, width // 4, width // 4, cv2.BORDER_REPLICATE)
    scale = 1024 / max(height, width)
    working = cv2.resize(padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    yunet = cv2.FaceDetectorYN.create(str(fetch("yunet")), "", working.shape[1::-1], score_threshold=0.6)
    found = yunet.detect(cv2.cvtColor(working, cv2.COLOR_RGB2BGR))[1]
    points = max(found, key=lambda face: face[2] * face[3])[4:14].reshape(5, 2)
    return align_to_template(photo, points / scale - [width // 4, height // 4])
