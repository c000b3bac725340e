"""The site: the documentation and the published results of every run, built by MkDocs."""
