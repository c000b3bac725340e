"""Quality measures compared on a user's own embeddings, pairs and scores. Never loads torch."""

from prefiqs.comparing.compare import Settings, evaluate
from prefiqs.comparing.embeddings import Embeddings, read_embeddings
from prefiqs.comparing.material import Material, read_material
from prefiqs.comparing.names import Names
from prefiqs.comparing.pairs import read_pairs
from prefiqs.comparing.scores import read_user_scores

__all__ = [
    "Embeddings", "Material", "Names", "Settings", "evaluate", "read_embeddings", "read_material", "read_pairs",
    "read_user_scores",
]  # fmt: skip
