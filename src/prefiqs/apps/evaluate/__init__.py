"""Quality measures compared on a user's own embeddings, pairs and scores. Never loads torch."""
