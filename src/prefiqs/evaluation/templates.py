"""From images to templates (sets of images of one person), the units that IJB-C compares.

As in the published 1:1 evaluations of IJB-C (insightface `eval_ijbc.py`, CR-FIQA `ijb_pair_file.py`), features are
*not* normalised, so a longer one has more weight; those of one medium (a photo, or the frames of one video) within a
template are averaged; the means of its media are added up and the sum is L2-normalised. insightface also multiplies by
the face detector's score; here, as in CR-FIQA, it is not used. The quality of a template is that of its worst image
(CR-FIQA; Boutros et al., CVPR 2023). The feature of the mirror image is added by the embedding (`flip_test`).
"""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from prefiqs.errors import InputError
from prefiqs.evaluation.inputs import as_embeddings, as_scores
from prefiqs.evaluation.pairs import unit_rows


class ImageTemplates(Protocol):
    """The template (0 … T − 1) and the medium of each of n images, int (n,) each."""

    @property
    def rows(self) -> NDArray[np.integer]: ...  # noqa: D102
    @property
    def media(self) -> NDArray[np.integer]: ...  # noqa: D102


def pool_templates(embeddings: ArrayLike, templates: ImageTemplates | None) -> NDArray[np.floating]:
    """Return one L2-normalised embedding a template, float32 (T, d): media means, added up.

    embeddings: (n, d) float, a memory map too, raw as published or normalised; no copy of float32 ones is made.
    templates: None = single images are compared, and their embeddings are returned as they are.
    Raises InputError when the numbers of rows differ, or an embedding has a sum that is zero or not finite.
    """
    if templates is None:
        return np.asarray(embeddings)
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
