"""What a killed run of `prefiqs score` loses: the work on photos that have no row yet, at the worst moment."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from benchmarks.harness import Figure
from benchmarks.photos import consume, write_photos

from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.assets.fetch import fetch
from prefiqs.faces.find import find_images
from prefiqs.models.registry import MODELS

ALLOWED = 2.0  # seconds
METHODS = ("prefiqs", "ser-fiq", "grafiqs", "faceqan", "prefiqs,ser-fiq,grafiqs")
FEW = 16  # photos for methods that take about a second for each


def run() -> Iterator[Figure]:
    """Small and large photos with sface; small ones with ResNet-100, whose weights do not matter."""
    orl = sorted(fetch("orl").rglob("*.pgm"))
    torch.manual_seed(0)
    card = MODELS["iresnet100"]
    slow = card.network(name="iresnet100", input_spec=card.input_spec)
    with tempfile.TemporaryDirectory() as name:
        photos = {
            "ORL photos": orl[:160],
            "photos of 12 megapixels": write_photos(orl, 40, 4000, 3000, Path(name) / "l"),
        }
        for kind, paths in photos.items():
            for methods in METHODS:
                yield lost_by(methods, "sface", paths[:FEW] if "faceqan" in methods else paths, kind)
        for methods in ("prefiqs", "grafiqs"):
            yield lost_by(methods, slow, orl[:FEW], "ORL photos")


def lost_by(methods: str, model, paths: list[Path], kind: str) -> Figure:
    """Just before rows are written, when the loss is greatest: how long reading and measuring what they need took."""
    scorer = PhotoScorer(methods.split(","), model, device="cpu")
    consume(scorer, paths[:2])  # which compiles what is needed
    begun, read, worst, oldest, written = {}, {}, 0.0, 0.0, set()
    scorer.reader = timed(scorer.reader, begun, read)
    measured, rows_of = [0.0], scorer.rows_of

    def measuring(waiting):
        start = time.monotonic()
        rows = rows_of(waiting)
        measured[0] = time.monotonic() - start
        return rows

    scorer.rows_of = measuring  # type: ignore[method-assign]
    for rows in scorer(find_images(paths)):
        now, unwritten = time.monotonic(), begun.keys() - written
        reading = sum(read.get(name, now - begun[name]) for name in unwritten) / scorer.threads
        worst, oldest = max(worst, reading + measured[0]), max(oldest, now - min(begun[name] for name in unwritten))
        written.add(rows[0]["path"])
    work = f"work lost by a kill, {methods}, {getattr(model, 'name', model)}, {len(paths)} {kind}"
    details = {"seconds": round(worst, 2), "age of the oldest photo without a row, seconds": round(oldest, 2),
               "faces at once": scorer._chunk}  # fmt: skip
    return Figure(work, f"{ALLOWED:g} seconds", *[worst / ALLOWED] * 3, "≤ 1", details)


def timed(reader: Callable, begun: dict[str, float], read: dict[str, float]) -> Callable:
    """The reader, which notes when it began a photo and how long that took."""

    class Timed:
        given = None

        def __call__(self, image):
            begun[image.name] = start = time.monotonic()
            photo = reader(image)
            read[image.name] = time.monotonic() - start
            return photo

    return Timed()
