"""The web report: a static site of what the pipeline found, with a sortable table of results and a gallery of faces.

It shows and computes no result, never loads torch, and needs no network, neither to be built nor to be read.
"""
