"""Data sets larger than memory, on many processes and machines: parts of a source in, Parquet shards out (Ray Data).

A part (some photos of a folder, a few row groups of a Parquet file, a tar shard) is what a worker does at a time. Only
the names of parts travel through Ray: workers read the images and write the scores themselves, so source and output
must lie where every machine sees them under the same path.
"""
