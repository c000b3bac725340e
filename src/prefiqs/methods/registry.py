"""The methods by name, and how all of them are called: `score`, and `scorer` for faces that come in portions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral, Real
from types import ModuleType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from prefiqs.errors import InputError
from prefiqs.methods._scorer import Scored

if TYPE_CHECKING:
    from prefiqs.models.face_model import FaceModel

# Faces that a method gets at once, by device: one batch; on a GPU four, so that one is prepared while another runs.
CHUNKS = {"cpu": 16, "cuda": 512}


@dataclass(frozen=True)
class MethodCard:
    """One method. It is a file of this folder, named after the method, and a card in the table below.

    Attributes:
        name: what users call it.
        title: its name in tables and figures.
        passes: forward and backward passes that a face costs (Table 1); None if it costs something else.
        supervision: what it was made with: "unsupervised", "semi-supervised" (it is calibrated) or "supervised".
        chunk: faces it gets at once, where `CHUNKS` does not suit it.
        calibrates: whether it needs the option `calibration`, which `calibrate` makes.
    """

    name: str
    title: str
    passes: tuple[int, int] | None
    supervision: Literal["unsupervised", "semi-supervised", "supervised"] = "unsupervised"
    chunk: int | None = None
    calibrates: bool = False

    @property
    def module(self) -> ModuleType:
        """The method's file, which is imported only now because it loads PyTorch."""
        return import_module(f"prefiqs.methods.{self.name.replace('-', '_')}")


_CARDS = (
    MethodCard("prefiqs", "PreFIQs", (2, 0)),
    MethodCard("prefiqs-fast", "PreFIQs-fast", (1, 0)),
    MethodCard("jacobian", "Jacobian drift", None),  # its tangent is no pass of either kind
    MethodCard("norm", "embedding norm", (1, 0)),
    MethodCard("ser-fiq", "SER-FIQ", (1, 0), chunk=64),  # and 100 through the embedding layer, which share work
    MethodCard("grafiqs", "GraFIQs", (1, 1)),
    MethodCard("faceqan", "FaceQAN", (52, 40), chunk=1),
    MethodCard("froq", "FROQ", (1, 0), "semi-supervised", calibrates=True),
    MethodCard("vitnt-fiqa", "ViTNT-FIQA", (1, 0)),
    MethodCard("vit-fiqa", "ViT-FIQA", (1, 0), "supervised"),
    MethodCard("ex-fiqa", "EX-FIQA", (1, 0), "supervised"),
)

METHODS: dict[str, MethodCard] = {card.name: card for card in _CARDS}


class PreparedScorer:
    """A method on a network, with its masks chosen and its networks compiled, for any number of faces.

    The method always gets the same number of faces at once, filled up with copies, so that a score depends on the
    image, the network and the options only, to the last bit. Can be called from several threads.

    Args:
        method: one of `METHODS`.
        model: a FaceModel or the name of one; weights that change afterwards are not noticed.
        options: of the method, such as `ratio=0.4`.

    Attributes:
        card: of the method.
        model: the network.
        options: every option that decides about scores, given or default; not `device` and `batch_size`.
        chunk: faces that the method gets at once.

    Raises:
        InputError: an unknown method or option, or a value or network that the method refuses.
    """

    def __init__(self, method: str = "prefiqs", model: FaceModel | str = "sface", **options: Any):
        from prefiqs.models.loading import as_model, resolve_device

        self.card = card_of(method)
        self.options = deciding_options(method, options)
        device, batch_size = options.get("device", "auto"), options.get("batch_size")
        usual = batch_size or CHUNKS[resolve_device(device).type]
        self.chunk = max(self.card.chunk, batch_size or 1) if self.card.chunk else usual
        self.model = as_model(model, device)
        self._score = self.card.module.scorer(self.model, **options)

    def __call__(self, images: np.ndarray | Iterable[np.ndarray], progress: bool = False) -> Scored:
        """Score aligned faces, uint8 n×112×112×3, RGB, or an iterator over single ones; n may be 0.

        progress: show a bar on stderr. Raises `InputError` for images that are not aligned faces.
        """
        from prefiqs.embedding.embedder import batches

        parts = [self._chunk(faces) for faces in batches(images, self.chunk, progress)]
        scores = np.concatenate([np.empty(0), *(part.score for part in parts)]).astype(np.float32)
        drifts = [part.drift for part in parts if part.drift is not None]
        return Scored(scores, np.concatenate(drifts).astype(np.float32) if drifts else None)

    def _chunk(self, faces: np.ndarray) -> Scored:
        n = len(faces)
        found = self._score(faces[[*range(n), *[0] * (self.chunk - n)]] if n < self.chunk else faces)
        return Scored(found.score[:n], None if found.drift is None else found.drift[:n])


def scorer(
    method: str = "prefiqs", model: FaceModel | str = "sface", **options: Any
) -> Callable[[np.ndarray | Iterable[np.ndarray]], np.ndarray]:
    """Prepare a method once (masks, compilation) for faces that come in any number of portions.

    Args:
        method: one of `METHODS`.
        model: a FaceModel or the name of one; weights that change afterwards are not noticed.
        options: of the method, such as `ratio=0.4`.

    Returns:
        A function from aligned faces, uint8 n×112×112×3, RGB, to float32 n, higher = better. The range is the method's
        own: [0, 1] for PreFIQs. It can be called from several threads.

    Raises:
        InputError: an unknown method or option, or a value or network that the method refuses.
    """
    prepared = PreparedScorer(method, model, **options)
    return lambda images: prepared(images).score


def score(
    images: np.ndarray | Iterable[np.ndarray],
    method: str = "prefiqs",
    model: FaceModel | str = "sface",
    progress: bool = False,
    **options: Any,
) -> np.ndarray:
    """Score aligned faces.

    Args:
        images: uint8 n×112×112×3, RGB, or an iterator over single faces.
        method, model, options: as for `scorer`.
        progress: show a bar on stderr.

    Returns:
        float32 n, higher = better.

    Raises:
        InputError: as `scorer`, and for images that are not aligned faces.
    """
    return PreparedScorer(method, model, **options)(images, progress).score


def calibrate(method: str, images: np.ndarray, model: FaceModel | str = "sface", **options: Any) -> Any:
    """Make the value of the option `calibration` for a method that needs one.

    Args:
        method: one of `METHODS`, such as "froq".
        images: faces of all qualities, uint8 n×112×112×3, RGB; a few hundred.
        model: the network that is going to score.
        options: of the method's `calibrate`, such as `seed=0`.

    Raises:
        InputError: a method without calibration, an unknown option, or faces that do not suffice.
    """
    from prefiqs.models.loading import as_model

    card = card_of(method)
    if not card.calibrates:
        raise InputError(f"The method {method} needs no calibration.")
    _check_options(method, card.module.calibrate, options)
    return card.module.calibrate(images, as_model(model, options.get("device", "auto")), **options)


def card_of(method: str) -> MethodCard:
    """The card of a method; `InputError` for an unknown one."""
    if method not in METHODS:
        raise InputError(f"Unknown method {method!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[method]


def deciding_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option that decides about scores, given or default; `InputError` for one that is unknown or unfit."""
    function = card_of(method).module.scorer
    _check_options(method, function, dict(options))
    defaults = {name: p.default for name, p in list(inspect.signature(function).parameters.items())[1:]}
    return {name: value for name, value in (defaults | dict(options)).items() if name not in _COMPUTING}


_COMPUTING = ("device", "batch_size")  # options that change the speed, and the score by rounding only


def _check_options(method: str, function: Callable, options: dict[str, Any]) -> None:
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function)
    known = [name for name in parameters if name not in ("images", "model")]
    if unknown := sorted(options.keys() - set(known)):
        raise InputError(f"Unknown option {unknown[0]!r} of {method}; its options are {', '.join(known)}.")
    for name, value in options.items():
        kinds = _kinds(hints[name])
        if not any(_fits(value, kind) for kind in kinds):
            words = " or ".join(kind.__name__ if isinstance(kind, type) else repr(kind) for kind in kinds)
            words = words.replace("NoneType", "None")
            raise InputError(f"The option {name} of {method} must be {words}, not {value!r}.")
    batch_size = options.get("batch_size")
    if batch_size is not None and batch_size < 1:
        raise InputError(f"The batch size must be at least 1, not {batch_size}.")


def _kinds(hint: Any) -> list[Any]:
    """What an annotation allows: types, and the values of a Literal."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) for kind in _kinds(part)]
    return list(get_args(hint)) if get_origin(hint) is Literal else [get_origin(hint) or hint]


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a kind; numbers may be those of numpy, and truth values are none."""
    if not isinstance(kind, type):
        return value == kind
    return isinstance(value, _NUMBERS.get(kind, kind)) and not isinstance(value, bool)


_NUMBERS: dict[type, type] = {int: Integral, float: Real}
