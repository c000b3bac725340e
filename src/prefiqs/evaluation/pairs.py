"""From one value an image (or template) to one value a pair, and from images to templates: quality, similarity.

Templates are the sets of images of one person that IJB-C compares. As in its published 1:1 evaluations (insightface
`eval_ijbc.py`, CR-FIQA `ijb_pair_file.py`), features are *not* normalised; those of one medium (a photo, or the frames
of one video) within a template are averaged; the means of its media are added up and the sum is L2-normalised. As in
CR-FIQA (Boutros et al., CVPR 2023), the face detector's score is not used, and a template is as good as its worst one.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import csr_array

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import as_embeddings, as_pairs, as_scores

PAIRS_PER_CHUNK = 256  # 2 x 0.5 MB of float32 rows at 512 features stay in the cache: twice as fast as 4096


def pair_quality(scores: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
    """Return the quality of each pair, float64 (P,), the smaller of its two images' qualities (larger = better).

    scores: (n,) float, one an image. pairs: (P, 2) int, image indices.
    Raises InputError for NaN, wrong shapes, or an index outside [0, n).
    """
    scores = as_scores(scores, "scores")
    return np.minimum(*scores[as_pairs(pairs, len(scores)).T])


def pair_levels(scores: ArrayLike, pairs: ArrayLike) -> NDArray[np.unsignedinteger]:
    """Return the place of each `pair_quality` among the distinct scores: equal in order and ties, faster to sort.

    Up to 65,536 distinct scores take two bytes and sort five times as fast. Arguments and errors as `pair_quality`.
    """
    distinct, level = np.unique(as_scores(scores, "scores"), return_inverse=True)
    level = level.astype(np.min_scalar_type(len(distinct)))
    return np.minimum(*level[as_pairs(pairs, len(level)).T])


def cosine_similarity(embeddings: ArrayLike, pairs: ArrayLike) -> NDArray[np.float32]:
    """Return the cosine of the two embeddings of each pair, float32 (P,), in [-1, 1] up to rounding.

    embeddings: (n, d) float, normalised or raw. pairs: (P, 2) int, image indices.
    Raises InputError for wrong shapes, an index outside [0, n), or an embedding that is zero or not finite.
    """
    return _for_each_pair(embeddings, pairs, np.float32, lambda left, right: np.einsum("pd,pd->p", left, right))


def squared_distance(embeddings: ArrayLike, pairs: ArrayLike) -> NDArray[np.float64]:
    """Return the squared Euclidean distance of the two L2-normalised embeddings, float64 (P,), in [0, 4].

    Arguments and errors as `cosine_similarity`. In float64, because verification compares it with a grid of step 0.01.
    """
    return _for_each_pair(embeddings, pairs, np.float64, lambda left, right: np.square(left - right).sum(axis=1))


def _for_each_pair(
    embeddings: ArrayLike, pairs: ArrayLike, dtype: DTypeLike, compare: Callable[[NDArray, NDArray], NDArray]
) -> NDArray:
    """Apply `compare` to the normalised rows of each pair, chunk by chunk: all rows at once would be P x d twice."""
    unit = unit_rows(as_embeddings(embeddings).astype(dtype), "Row {} of the embeddings is")
    pairs = as_pairs(pairs, len(unit))
    result = np.empty(len(pairs), dtype)
    for start in range(0, len(pairs), PAIRS_PER_CHUNK):
        chunk = slice(start, start + PAIRS_PER_CHUNK)
        result[chunk] = compare(unit[pairs[chunk, 0]], unit[pairs[chunk, 1]])
    return result


def unit_rows(rows: NDArray, what: str) -> NDArray:
    """Normalise rows (L2) in place; InputError for one that is zero or not finite, with `what` it is."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if len(unusable := np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))):
        raise InputError(
            f"{what.format(unusable[0])} zero or not finite ({len(unusable)} such rows); embed these images again or "
            "leave their pairs out."
        )
    rows /= norms
    return rows


class ImageTemplates(Protocol):
    """The template (0 … T − 1) and the medium of each of n images, int (n,) each."""

    @property
    def rows(self) -> NDArray[np.integer]: ...  # noqa: D102
    @property
    def media(self) -> NDArray[np.integer]: ...  # noqa: D102


def pool_templates(embeddings: ArrayLike, templates: ImageTemplates) -> NDArray[np.float32]:
    """Return one L2-normalised embedding a template, float32 (T, d): media means, added up.

    embeddings: (n, d) float, a memory map too, raw as published or normalised; no copy of float32 ones is made.
    Raises InputError when the numbers of rows differ, or an embedding has a sum that is zero or not finite.
    """
    embeddings = as_embeddings(embeddings)
    rows = _rows(templates, len(embeddings))
    # Numbers of media count within a template only.
    media = np.asarray(rows, np.int64) << 32 | np.asarray(templates.media, np.int64) & 0xFFFFFFFF
    _, medium, count = np.unique(media, return_inverse=True, return_counts=True)
    share = (1 / count[medium]).astype(np.float32)  # sum of media means = sum of images, each over its medium's size
    order = np.argsort(rows, kind="stable")
    ends = np.append(0, np.bincount(rows).cumsum())
    summed = csr_array((share[order], order, ends), shape=(len(ends) - 1, len(rows))) @ embeddings
    return unit_rows(summed, "The sum of the embeddings of template {} is").astype(np.float32, copy=False)


def template_quality(scores: ArrayLike, templates: ImageTemplates) -> NDArray[np.float64]:
    """Return the quality of each template, the smallest of its images', float64 (T,), larger = better.

    scores: (n,) float, one an image; +∞ if it failed, so that it does not count. A template of failures only has −∞.
    Raises InputError for NaN or another number of scores than images.
    """
    scores = as_scores(scores, "scores")
    rows = _rows(templates, len(scores))
    smallest = np.full(rows.max(initial=-1) + 1, np.inf)
    np.minimum.at(smallest, rows, scores)
    return np.where(smallest == np.inf, -np.inf, smallest)


def _rows(templates: ImageTemplates, n_images: int) -> NDArray[np.integer]:
    """Return the template of each image, checked."""
    rows = np.asarray(templates.rows)
    if len(rows) != n_images or len(templates.media) != n_images:
        raise InputError(
            f"There are {n_images} images, but templates has {len(rows)} rows and {len(templates.media)} media."
        )
    if len(missing := np.flatnonzero(np.bincount(rows) == 0)):
        raise InputError(f"Template {missing[0]} has no images.")
    return rows
