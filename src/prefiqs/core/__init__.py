"""Foundations: errors, paths, configuration and files. Imports only the standard library, numpy, pandas, yaml, pydantic."""
