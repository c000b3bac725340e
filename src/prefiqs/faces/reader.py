"""The aligned faces of many photos, found by threads ahead of whoever needs them."""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefiqs.errors import InputError, NoFaceFound
from prefiqs.faces.align import AlignedFace, align_photo, cut_out
from prefiqs.faces.decode import EncodedPhoto, decode_face
from prefiqs.faces.detector import compile_ahead
from prefiqs.faces.find import EncodedImage, file_state


@dataclass(frozen=True)
class Photo:
    """A photo and its faces, the largest first, or the reason why there is none."""

    name: str
    faces: list[AlignedFace]  # with NaN for box, landmarks and confidence if the photo was aligned already
    reason: str = ""
    state: str = ""  # see `file_state`
    assumed: Sequence[str] = ()  # see `decode_photo`


class FaceReader:
    """Reads photos, which may be `aligned` already, and finds the largest face or `all_faces`.

    landmarks: a file with the faces of each photo (see `GivenLandmarks`), the first or all of which are taken.

    Never stops for a bad photo. Raises `InputError` for options that exclude each other, and `AssetError` if the
    detector cannot be fetched.
    """

    def __init__(self, aligned: bool = False, all_faces: bool = False, landmarks: Path | None = None):
        if aligned and (all_faces or landmarks):
            other = "all-faces" if all_faces else "landmarks"
            raise InputError(f"--aligned cannot be combined with --{other}: an aligned photo has one face.")
        self.given = None
        if landmarks:
            from prefiqs.faces.landmarks import GivenLandmarks  # which takes a while, as it reads tables

            self.given = GivenLandmarks(landmarks)
        if not (aligned or landmarks):
            compile_ahead()  # and so that the network is missed before the first photo
        self.aligned, self.all_faces = aligned, all_faces

    def __call__(self, image: EncodedImage) -> Photo:
        """The photo with its faces, or the reason why it has none."""
        name, state = image.name, file_state(image.file)
        try:
            return self.read(image)
        except (InputError, NoFaceFound) as error:
            reason = str(error)
        except OSError as error:
            reason = f"Cannot read {name}: {(error.strerror or str(error)).lower()}."
        logging.getLogger(__name__).info("%s: %s", name, reason)
        return Photo(name, [], reason, state)

    def read(self, image: EncodedImage) -> Photo:
        """The photo with its faces; raises what is wrong with it."""
        state, assumed = file_state(image.file), list[str]()
        return Photo(image.name, self._faces(image, assumed), state=state, assumed=assumed)

    def _faces(self, image: EncodedImage, assumed: list[str]) -> list[AlignedFace]:
        name = image.name
        if self.aligned:
            face = decode_face(image.read(), name, assumed)
            return [AlignedFace(face, np.full(4, np.nan), np.full((5, 2), np.nan), np.nan)]
        if self.given:
            points = self.given.of(name)
            used = [self.given.checked(face, name) for face in (points if self.all_faces else points[:1])]
            photo = EncodedPhoto(image.read(), name, assumed)
            faces = [cut_out(photo, face, len(points)) for face in used]
            if any(face.outside > 0.5 for face in faces):
                raise InputError(f"A face that {self.given.path} marks in {name} lies mostly outside the photo. "
                                 "Landmarks must be in its pixels.")  # fmt: skip
            return faces
        return align_photo(EncodedPhoto(image.read(), name, assumed), self.all_faces)


def prefetch(
    function: Callable,
    items: Iterable,
    threads: int | None,
    lookahead: int,
    patience: float | None = None,
    ahead: float = 60.0,
) -> Iterator:
    """Map a function over items in threads (None: one per core), in order.

    At most `lookahead` items are worked on ahead, and of those that take long only as many as all threads together do
    in `ahead` seconds. If the next result takes longer than `patience` seconds, None is yielded meanwhile.
    """
    threads = threads or os.cpu_count() or 1
    waiting: deque[Future] = deque()
    seconds = deque([ahead], 2 * threads)  # that the last items took; nothing is known of the first

    def timed(item: Any) -> tuple[Any, float]:
        start = time.monotonic()
        return function(item), time.monotonic() - start

    def results(most: float) -> Iterator:
        while len(waiting) > most or (waiting and waiting[0].done()):
            if wait([waiting[0]], patience).done:
                result, took = waiting.popleft().result()
                seconds.append(took)
                yield result
            else:
                yield None

    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(timed, item))
                yield from results(min(lookahead, threads * max(1, ahead / max(*seconds, 1e-6))))
            yield from results(0)
        finally:
            pool.shutdown(cancel_futures=True)  # a consumer that stops early does not wait for the rest
