"""The embeddings, pairs and scores that a user brings, read and brought into one order."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefiqs.datasets.pairs import people_of
from prefiqs.errors import InputError
from prefiqs.io.embeddings import read_embeddings
from prefiqs.io.pairs import read_pairs
from prefiqs.io.scores import read_image_scores


@dataclass(frozen=True, eq=False)
class EvaluationInputs:
    """One network's embeddings, the pairs compared by them, and the quality scores of any number of methods.

    Attributes:
        verifier: what the embeddings are called.
        names: of n images, those that occur in pairs.
        embeddings: float n×d, not normalised.
        subjects: person shown in each image, n strings; `named_people`: listed in a file, not inferred from the pairs.
        pairs: int64 P×2, rows of `names`. genuine: bool P.
        scores: float64 n by method, higher = better.
        sign: by method, −1 if its scores were negated because lower is better, else 1.
        unused: number of embedded images that occur in no pair.
    """

    verifier: str
    names: list[str]
    embeddings: np.ndarray
    subjects: np.ndarray
    named_people: bool
    pairs: np.ndarray
    genuine: np.ndarray
    scores: dict[str, np.ndarray]
    sign: dict[str, int]
    unused: int


def read_inputs(
    scores: Collection[str],
    embeddings: Path,
    pairs: Path,
    names: Path | None = None,
    lower_is_better: Collection[str] = (),
) -> EvaluationInputs:
    """Read score files (PATH or METHOD=PATH), embeddings and a pair list; formats as in `io`.

    Raises `InputError` for what these readers refuse, and for people who contradict the pair list.
    """
    embedded = read_embeddings(embeddings, names)
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
    return EvaluationInputs(
        embeddings.stem,
        listed,
        embedded.vectors[used],
        people,
        embedded.subjects is not None,
        compact,
        genuine,
        scores={method: values[used] for method, values in by_method.items()},
        sign={method: -1 if method in lower_is_better else 1 for method in by_method},
        unused=len(embedded.names) - len(used),
    )


def _labelled(given: str) -> tuple[str | None, Path]:
    """Return the method, if given, and the path of METHOD=PATH or PATH; a path may hold a `=` itself."""
    method, equals, path = given.partition("=")
    if not equals or Path(given).exists() or not Path(path).exists():
        return None, Path(given)
    return method, Path(path)
