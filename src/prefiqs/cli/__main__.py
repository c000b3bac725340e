"""`python -m prefiqs.cli`."""

from prefiqs.cli import main

main()
