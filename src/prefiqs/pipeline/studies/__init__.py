"""One study a file: what a notebook of the same name shows, computed.

A study is a function of a `Run` and an item (a benchmark, a model) that returns a frozen dataclass with tables, figures
and numbers. Its `write(folder)` writes what people and later stages read.
"""
