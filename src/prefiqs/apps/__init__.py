"""What the command line offers: score, evaluate, export."""
