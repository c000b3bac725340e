"""The methods by name, and how all of them are called: `score`, and `scorer` for faces that come in portions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
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
_COMPUTING = ("device", "batch_size")  # options that change the speed, and the score by rounding only


@dataclass(frozen=True)
class MethodCard:
    """One method: a file of this folder, named after it, and a card in the table below.

    Attributes:
        name: what users call it.
        title: its name in tables and figures.
        passes: forward and backward passes that a face costs (Table 1); None if it costs something else.
        supervision: what it was made with: "unsupervised", "semi-supervised" (it is calibrated) or "supervised".
        chunk: faces it gets at once, where `CHUNKS` does not suit it and no `batch_size` is given.
        calibrates: whether it needs the option `calibration`, which the `calibrate` of its file makes.
        chosen_on: benchmarks on which its formula was chosen among others; results there are marked.
    """

    name: str
    title: str
    passes: tuple[int, int] | None
    supervision: Literal["unsupervised", "semi-supervised", "supervised"] = "unsupervised"
    chunk: int | None = None
    calibrates: bool = False
    chosen_on: tuple[str, ...] = ()

    @property
    def module(self) -> ModuleType:
        """The method's file, which is imported only now because it loads PyTorch."""
        return import_module(f"prefiqs.methods.{self.name.replace('-', '_')}")


_CARDS = (
    MethodCard("prefiqs", "PreFIQs", (2, 0)),
    MethodCard("pruning-margin", "pruning margin", (1, 0), chosen_on=("lfw", "cfp-fp")),
    MethodCard("jacobian", "Jacobian drift", None, chunk=4),  # its tangent is no pass of either kind
    MethodCard("norm", "embedding norm", (1, 0)),
    MethodCard("ser-fiq", "SER-FIQ", (1, 0), chunk=32),  # and 100 through the embedding layer, which share work
    MethodCard("grafiqs", "GraFIQs", (1, 1), chunk=4),
    MethodCard("faceqan", "FaceQAN", (52, 40), chunk=1),
    MethodCard("froq", "FROQ", (1, 0), "semi-supervised", calibrates=True),
    MethodCard("vitnt-fiqa", "ViTNT-FIQA", (1, 0)),
    MethodCard("attn-fiqa", "ATTN-FIQA", (1, 0)),
    MethodCard("vit-fiqa", "ViT-FIQA", (1, 0), "supervised"),
    MethodCard("ex-fiqa", "EX-FIQA", (1, 0), "supervised"),
    MethodCard("quality-network", "quality network", (1, 0), "supervised"),
)

METHODS: dict[str, MethodCard] = {card.name: card for card in _CARDS}


class PreparedScorer:
    """What `scorer` prepares, with more to read from it.

    The method always gets `chunk` faces at once, filled up with copies, so that a score depends on the image, the
    network and the options only, to the last bit.

    Attributes:
        card: of the method.
        model: the network.
        options: every option that decides about scores, given or default; not `device` and `batch_size`.
    """

    def __init__(self, method: str = "prefiqs", model: FaceModel | str = "sface", **options: Any):
        from prefiqs.models.loading import as_model, resolve_device

        self.options = deciding_options(method, options)
        self.card = METHODS[method]
        device = options.get("device", "auto")
        self.chunk = options.get("batch_size") or self.card.chunk or CHUNKS[resolve_device(device).type]
        self.model = as_model(model, device)
        if self.model.embedding_size == 1 and method != "quality-network":
            raise InputError(f"{self.model.name} has no embeddings, only a quality; use the method quality-network.")
        self._score = self.card.module.scorer(self.model, **options)

    def __call__(self, images: np.ndarray | Iterable[np.ndarray], progress: bool = False) -> Scored:
        """Score faces as `score` does; n may be 0."""
        from prefiqs.embedding.embedder import batches

        scores, drifts = [np.empty(0)], []
        for faces in batches(images, self.chunk, progress):
            n = len(faces)
            found = self._score(faces[[*range(n), *[0] * (self.chunk - n)]] if n < self.chunk else faces)
            scores.append(found.score[:n])
            if found.drift is not None:
                drifts.append(found.drift[:n])
        drift = np.concatenate(drifts).astype(np.float32) if drifts else None
        return Scored(np.concatenate(scores).astype(np.float32), drift)


def scorer(
    method: str = "prefiqs", model: FaceModel | str = "sface", **options: Any
) -> Callable[[np.ndarray | Iterable[np.ndarray]], np.ndarray]:
    """Prepare a method (masks, compilation) once and return a function that scores aligned faces.

    Args:
        method: one of `METHODS`.
        model: a FaceModel or its name. Later changes of its weights have no effect.
        options: options of the method, such as `ratio=0.4`.

    Returns:
        A function from aligned faces, uint8 n×112×112×3, RGB, to float32 n, higher = better. The range depends on
        the method: [0, 1] for PreFIQs. It is thread-safe.

    Raises:
        InputError: an unknown method or option, or a value or network that the method does not support.
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
    """Score aligned faces: float32 n, higher = better.

    Args:
        images: uint8 n×112×112×3, RGB, or an iterator over single faces.
        method, model, options: as for `scorer`.
        progress: show a progress bar on stderr.

    Raises:
        InputError: as `scorer`, and for images that are not aligned faces.
    """
    return PreparedScorer(method, model, **options)(images, progress).score


def deciding_options(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option that decides about scores, given or default.

    Raises `InputError` for an unknown method or option, and for a value of another type than that of the option.
    """
    known = defaults(method)
    hints = get_type_hints(METHODS[method].module.scorer)
    if unknown := sorted(options.keys() - known.keys()):
        raise InputError(f"Unknown option {unknown[0]!r} of {method}; its options are {', '.join(known)}.")
    for name, value in options.items():
        kinds = _kinds(hints[name])
        if not any(_fits(value, kind) for kind in kinds):
            words = " or ".join(kind.__name__ if isinstance(kind, type) else repr(kind) for kind in kinds)
            words = words.replace("NoneType", "None")
            raise InputError(f"The option {name} of {method} must be {words}, not {value!r}.")
    if (batch_size := options.get("batch_size")) is not None and batch_size < 1:
        raise InputError(f"The batch size must be at least 1, not {batch_size}.")
    return {name: value for name, value in (known | dict(options)).items() if name not in _COMPUTING}


def shared_options(methods: Sequence[str], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each method those of `options` that it has, and those that none has, so that they are refused.

    Raises `InputError` for an unknown method.
    """
    known = [defaults(method).keys() for method in methods]
    foreign = options.keys() - set().union(*known)
    return [{name: value for name, value in options.items() if name in names | foreign} for names in known]


def defaults(method: str) -> dict[str, Any]:
    """The options of a method, also those that change the speed only, with their defaults."""
    if method not in METHODS:
        raise InputError(f"Unknown method {method!r}; choose one of {', '.join(METHODS)}.")
    parameters = inspect.signature(METHODS[method].module.scorer).parameters.values()
    return {parameter.name: parameter.default for parameter in list(parameters)[1:]}


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
