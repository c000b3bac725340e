"""Work on many processes and machines through Ray.

Only the names of what is to be done, and small results, travel through Ray: workers read images and weights themselves,
and write large results, so these must be on a file system that every machine sees under the same path.
"""
