"""One style for every HTML page: the web report of a run and the report of `prefiqs evaluate`."""
