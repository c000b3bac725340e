"""Quality methods, one a file: aligned faces in, one number per face out, higher = better."""
