"""Where weights and faces come from: a table of assets (sources in order, sha256, licence) and how they are fetched.

Imports only the standard library, light helpers (pooch, tqdm) and `prefiqs.errors`. Nothing fetched is ever imported.
"""
