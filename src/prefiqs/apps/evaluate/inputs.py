"""The embeddings, pairs and scores that a user brings, read and brought into one order."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefiqs.datasets.pairs import people_of
from prefiqs.errors import InputError
from prefiqs.io.embeddings import Embeddings, read_embeddings
from prefiqs.io.pairs import read_pairs
from prefiqs.io.scores import read_image_scores


@dataclass(frozen=True, eq=False)
class EvaluationInputs:
    """The embeddings of any number of verifiers, the pairs compared by them, and the scores of any number of methods.

    Attributes:
        names: of n images, those that occur in pairs.
        verifiers: embeddings by name, float n×d each, not normalised.
        subjects: person shown in each image, n strings; `named_people`: listed in a file, not inferred from the pairs.
        pairs: int64 P×2, rows of `names`. genuine: bool P.
        scores: float64 n by method, higher = better.
        sign: by method, −1 if its scores were negated because lower is better, else 1.
        failed: by method, how many images it could not score, by its own word; those scores are NaN.
        unused: number of embedded images that occur in no pair.
    """

    names: list[str]
    verifiers: dict[str, np.ndarray]
    subjects: np.ndarray
    named_people: bool
    pairs: np.ndarray
    genuine: np.ndarray
    scores: dict[str, np.ndarray]
    sign: dict[str, int]
    failed: dict[str, int]
    unused: int


def read_inputs(
    scores: Collection[str],
    embeddings: Collection[str],
    pairs: Path,
    names: Path | None = None,
    lower_is_better: Collection[str] = (),
) -> EvaluationInputs:
    """Read score files (PATH or METHOD=PATH), embeddings (PATH or VERIFIER=PATH) and a pair list; formats as in `io`.

    names: of the rows of all embeddings that are .npy files.

    Raises `InputError` for what these readers refuse, for two verifiers of one name, for an image of a pair that a
    verifier has no embedding of, and for people who contradict the pair list.
    """
    found: dict[str, Embeddings] = {}
    for given in embeddings:
        label, path = _labelled(given)
        verifier = label or path.stem
        if verifier in found:
            raise InputError(f"Two verifiers are called {verifier!r}. Call one of them NAME={path}.")
        found[verifier] = read_embeddings(path, names if path.suffix == ".npy" or len(embeddings) == 1 else None)
    embedded = next(iter(found.values()))
    rows, genuine = read_pairs(pairs, embedded.names)
    used, compact = np.unique(rows, return_inverse=True)
    by_method = read_image_scores(map(_labelled, scores), embedded.names, lower_is_better, used)
    compact = compact.reshape(rows.shape)
    listed = [embedded.names.all[row] for row in used]
    if embedded.subjects is None:
        people = np.array(people_of(listed, compact[genuine]))
    else:
        people = embedded.subjects[used]
        wrong = (people[compact[:, 0]] == people[compact[:, 1]]) != genuine
        if wrong.any():
            left, right = compact[wrong.argmax()]
            raise InputError(
                f"{pairs} contradicts the people listed: it has {listed[left]!r} of {people[left]} and "
                f"{listed[right]!r} of {people[right]} the other way round ({int(wrong.sum())} such pairs)."
            )
    verifiers = {}
    for verifier, own in found.items():
        places = used if own is embedded else own.names.rows(listed)
        if len(lacking := np.flatnonzero(places < 0)):
            what = f"{verifier} has no embedding of {listed[lacking[0]]!r}"
            raise InputError(f"{what} ({len(lacking)} of {len(used)} images in pairs lack one). Leave their pairs out.")
        verifiers[verifier] = own.vectors[places]
    return EvaluationInputs(
        listed,
        verifiers,
        people,
        embedded.subjects is not None,
        compact,
        genuine,
        scores={method: values[used] for method, values in by_method.items()},
        sign={method: -1 if method in lower_is_better else 1 for method in by_method},
        failed=dict.fromkeys(by_method, 0),
        unused=len(embedded.names) - len(used),
    )


def _labelled(given: str) -> tuple[str | None, Path]:
    """Return the name, if given, and the path of NAME=PATH or PATH; a path may hold a `=` itself."""
    name, equals, path = given.partition("=")
    if not equals or Path(given).exists() or not Path(path).exists():
        return None, Path(given)
    return name, Path(path)
