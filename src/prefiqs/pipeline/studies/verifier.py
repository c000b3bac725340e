"""An independent network that verifies: its embeddings, and how well it separates people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from prefiqs.embedding.embedder import raw_embeddings
from prefiqs.evaluation.error_rates import fnmr_at_fmr
from prefiqs.evaluation.pairs import cosine_similarity
from prefiqs.evaluation.templates import pool_templates
from prefiqs.io.arrays import write_array
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.distributions import drift_histograms
from prefiqs.reporting.figures.style import save_figure
from prefiqs.reporting.numbers import write_numbers

FMR = 1e-3


@dataclass(frozen=True, eq=False)
class VerifierStudy:
    """A verifier on a benchmark.

    Attributes:
        path: where its embeddings are written to.
        embeddings: raw, float32 n×d.
        fnmr: false non-match rate at a false match rate of `FMR`, nothing discarded; a share.
        pairs: number of pairs.
        similarity: cosine similarity of genuine and of impostor pairs.
    """

    path: Path
    embeddings: np.ndarray
    fnmr: float
    pairs: int
    similarity: Figure

    @property
    def numbers(self) -> dict[str, Any]:
        """What prose may quote."""
        return {"fmr": FMR, "fnmr": self.fnmr, "pairs": self.pairs}

    def write(self, folder: str | Path) -> None:
        """Write the embeddings to `path`, similarity.png and numbers.json."""
        write_array(self.embeddings, self.path)
        save_figure(self.similarity, Path(folder) / "similarity.png")
        write_numbers(self.numbers, folder)


def verifier_study(run: Run, benchmark: str, model: str) -> VerifierStudy:
    """Embed a benchmark with a network as it is, and compare its pairs (of templates, where it has templates)."""
    faces, embed = run.benchmark(benchmark), run.params.embed
    verifier = load_model(model, device=embed.device)
    raw = raw_embeddings([verifier], faces.images, embed.batch_size, embed.device)[0]
    compared = raw if faces.templates is None else pool_templates(raw, faces.templates)
    similarity = cosine_similarity(compared, faces.pairs)
    split = {"genuine": similarity[faces.genuine], "impostor": similarity[~faces.genuine]}
    return VerifierStudy(
        path=run.layout.embeddings(benchmark, model),
        embeddings=raw,
        fnmr=fnmr_at_fmr(similarity, faces.genuine, FMR),
        pairs=len(similarity),
        similarity=drift_histograms(split, "cosine similarity", ylabel="pairs"),
    )
