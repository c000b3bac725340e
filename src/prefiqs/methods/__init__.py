"""Quality methods: aligned faces in, one number a face out, higher = better. One method a file.

`drift` needs no torch; the other names are loaded when first used.
"""
