"""Figures of the reports. Each function returns a matplotlib Figure that fits a screen, and needs no display.

They are made without pyplot, so nothing has to be closed, and a notebook shows a figure once, as the value of its cell.
"""
