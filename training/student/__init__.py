"""Training of `vit-prefiqs`, the small ViT-FIQA (T) of this project: its data, its targets, its loop."""
