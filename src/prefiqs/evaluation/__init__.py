"""How well a network verifies faces, and how much a quality measure helps it: error rates, curves, areas, accuracy.

Takes and gives arrays; reads no file, draws nothing, and never loads torch. In all of it larger similarity = more
alike, larger quality = better, and a pair matches if and only if its similarity is above the threshold.
"""
