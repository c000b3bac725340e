"""One study a file: what a notebook of the same name shows, computed.

A study is a function of a `Run` and an item (a benchmark, a model) that returns a frozen dataclass, a
`prefiqs.reporting.study.Study`: tables, figures and numbers, and what later stages read.
"""
