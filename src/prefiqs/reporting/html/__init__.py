"""One style for self-contained HTML pages: those of scored photos, `prefiqs evaluate` and `prefiqs benchmark`."""
