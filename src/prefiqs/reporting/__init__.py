"""Tables, figures, numbers and pages of results. Computes no result, and never loads torch."""
