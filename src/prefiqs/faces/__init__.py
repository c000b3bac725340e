"""Images: aligning faces in photos, and degrading aligned faces in a controlled way."""
