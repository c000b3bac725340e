"""The tables of the PreFIQs paper with the numbers of a run, and what the paper prints beside them."""
