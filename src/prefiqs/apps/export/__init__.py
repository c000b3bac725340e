"""A quality measure as one file for other runtimes."""
