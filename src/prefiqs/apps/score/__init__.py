"""Scoring photos: any number of them, in chunks, as rows of a table that survives a killed run."""
