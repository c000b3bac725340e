"""Foundations: errors, paths, configuration, files. Imports only the standard library and light packages."""
