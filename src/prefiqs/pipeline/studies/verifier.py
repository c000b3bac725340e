"""An independent network that verifies: its embeddings, and how well it separates people."""

import numpy as np

from prefiqs.embedding.embedder import Embedder
from prefiqs.evaluation.error_rates import fnmr_at_fmr, threshold_at_fmr
from prefiqs.evaluation.pairs import cosine_similarity
from prefiqs.evaluation.templates import pool_templates
from prefiqs.models.loading import load_model
from prefiqs.pipeline.run import Run
from prefiqs.reporting.figures.distributions import genuine_and_impostor
from prefiqs.reporting.study import Figure, Study, saved_as

FMR = 1e-3


class VerifierStudy(Study):
    """A verifier on a benchmark. numbers: FNMR at an FMR of `FMR`, nothing discarded, as shares; number of pairs."""

    similarity: Figure = saved_as("similarity")


def verifier_study(run: Run, benchmark: str, model: str) -> VerifierStudy:
    """Embed a benchmark with a network as it is, and compare its pairs (of templates, where it has templates)."""
    faces, embed = run.benchmark(benchmark), run.params.embed
    verifier = load_model(model, device=embed.device)
    raw = Embedder([verifier], embed.batch_size, embed.device)(faces.images)[0]
    similarity = cosine_similarity(pool_templates(raw, faces.templates), faces.pairs)
    genuine, impostor = similarity[faces.genuine], similarity[~faces.genuine]
    threshold = threshold_at_fmr(np.sort(impostor), FMR)
    return VerifierStudy(
        genuine_and_impostor(genuine, impostor, threshold, f"{benchmark}, verifier {model}, threshold at FMR {FMR:g}"),
        numbers={"fmr": FMR, "fnmr": fnmr_at_fmr(similarity, faces.genuine, FMR), "pairs": len(similarity)},
        stored={run.layout.embeddings(benchmark, model): raw},
    )
