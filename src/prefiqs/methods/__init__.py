"""Quality methods, one a file: aligned faces in, one number a face out, higher = better."""
