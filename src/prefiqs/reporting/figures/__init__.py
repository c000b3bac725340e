"""Figures of the reports. Each function returns a matplotlib Figure that fits a screen, and needs no display.

Figures are made without pyplot: nothing is registered globally, so that nothing has to be closed and a notebook shows
a figure once, as the value of its cell.
"""
