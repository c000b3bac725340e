"""The web report of a run: a static site with its findings, sortable results, a gallery of faces, and its notebooks."""
