"""Tables, figures, quotable numbers and rendered notebooks: all that turns results into something to read.

Takes tables and arrays, computes no result, and never loads torch. The names below are loaded when first used: the
process that runs a notebook needs no plotting library, and a notebook that draws needs no nbconvert.
"""
