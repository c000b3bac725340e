"""Several quality measures for several verifiers on one list of pairs, sorted once for all curves and intervals."""

from collections.abc import Collection, Hashable, Mapping
from copy import copy
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from prefiqs.errors import InputError
from prefiqs.evaluation.bootstrap import BootstrapCurves, bootstrap_curves, numbered_people
from prefiqs.evaluation.curve import Curve, RandomOrder
from prefiqs.evaluation.discarding import SimilarityRanks, sort_by_quality
from prefiqs.evaluation.edc import EdcProtocol
from prefiqs.evaluation.inputs import as_scores
from prefiqs.evaluation.pairs import cosine_similarity, pair_levels
from prefiqs.evaluation.templates import ImageTemplates, template_quality

Curves = dict[tuple[str, Hashable, float], Curve]  # by verifier, key of the quality measure, and target FMR
RandomOrders = dict[tuple[str, float], RandomOrder]  # by verifier and target FMR
Bootstraps = dict[tuple[str, float], BootstrapCurves]  # likewise


class Comparison:
    """The similarities of each verifier and the order of each quality measure, on P pairs of n images.

    embeddings: (n, d) float by verifier, raw or normalised. pairs: (P, 2) int, their rows.
    genuine: (P,) bool, True = same person. scores: (n,) float by key (any hashable object), higher = better.
    templates: where sets of images are compared: then pairs and embeddings are those of templates (see
        `pool_templates`), scores those of images, and a template is as good as its worst image.
    subjects: who is shown on each row that `pairs` refers to; then the bootstrap draws people, else it draws pairs.

    Raises InputError for wrong shapes, NaN, an embedding without a direction, or no genuine or no impostor pair.
    Holds 13 bytes a pair and verifier, 4 bytes a pair and key.
    """

    def __init__(
        self,
        embeddings: Mapping[str, ArrayLike],
        pairs: ArrayLike,
        genuine: ArrayLike,
        scores: Mapping[Any, ArrayLike],
        templates: ImageTemplates | None = None,
        subjects: ArrayLike | None = None,
    ):
        self.pairs, self.templates = np.asarray(pairs), templates
        self.n_images = max((len(np.asarray(rows)) for rows in embeddings.values()), default=0)
        if templates is not None:
            self.n_images, n_templates = len(templates.rows), int(templates.rows.max()) + 1
            if wrong := [verifier for verifier, rows in embeddings.items() if len(np.asarray(rows)) != n_templates]:
                raise InputError(f"The embeddings of {wrong[0]} must be those of the {n_templates} templates, pooled.")
        self.similarities = {
            verifier: SimilarityRanks(cosine_similarity(rows, pairs), genuine) for verifier, rows in embeddings.items()
        }
        self._subjects = None if subjects is None else numbered_people(subjects)
        self._set_scores(scores)

    def _set_scores(self, scores: Mapping[Any, ArrayLike]) -> None:
        self.scores = {key: as_scores(values, "scores") for key, values in scores.items()}
        if self.templates is not None:
            self.scores = {key: template_quality(values, self.templates) for key, values in self.scores.items()}
        self._orders = {key: sort_by_quality(pair_levels(values, self.pairs)) for key, values in self.scores.items()}

    def with_scores(self, scores: Mapping[Any, ArrayLike]) -> Self:
        """Return a comparison of other quality measures on the same similarities."""
        other = copy(self)
        other._set_scores(scores)
        return other

    def select(self, keys: Collection[Hashable], verifiers: Collection[str] | None = None) -> Self:
        """Return a comparison of some of the keys and verifiers (None = all of them); nothing is sorted again."""
        other = copy(self)
        other.scores = {key: self.scores[key] for key in keys}
        other._orders = {key: self._orders[key] for key in keys}
        if verifiers is not None:
            other.similarities = {verifier: self.similarities[verifier] for verifier in verifiers}
        return other

    def curves(self, protocol: EdcProtocol) -> Curves:
        """Return one curve for each verifier, key and FMR, in this order."""
        found: Curves = {}
        for verifier, similarity in self.similarities.items():
            discarding = protocol.discarding(similarity)
            for key, order in self._orders.items():
                found |= {(verifier, key, curve.target_fmr): curve for curve in discarding.curves(order)}
        return found

    def random_orders(self, protocol: EdcProtocol, orders: int) -> RandomOrders:
        """Return, for each verifier and FMR, curves of `orders` random image qualities, drawn by the seeds 0, 1, ….

        Qualities are uniform in [0, 1), one an *image*, and a pair (or template) gets the smallest of its images, so
        that pairs with a common image fall together just as they do for a real measure.
        """
        if orders < 1:
            raise InputError("At least one random order is needed; 10 are usual.")
        drawn: Curves = {}
        for seed in range(orders):
            drawn |= self.with_scores({seed: np.random.default_rng(seed).random(self.n_images)}).curves(protocol)
        found: RandomOrders = {}
        for verifier, fmr in product(self.similarities, protocol.fmrs):
            curves = [drawn[verifier, seed, fmr] for seed in range(orders)]
            fnmr, areas = [curve.fnmr for curve in curves], [curve.pauc(protocol.limit) for curve in curves]
            found[verifier, fmr] = RandomOrder(curves[0].discard, np.array(fnmr), np.array(areas))
        return found

    def bootstrap(self, protocol: EdcProtocol, resamples: int = 1000, seed: int = 0) -> Bootstraps:
        """Return the curves of all keys, up to the limit, on the same resampled people or pairs.

        See `bootstrap.bootstrap_curves`.
        """
        discardings = {v: protocol.discarding(ranks, whole=False) for v, ranks in self.similarities.items()}
        people = None if self._subjects is None else self._subjects[self.pairs]
        return bootstrap_curves(discardings, self._orders, people, resamples, seed)
