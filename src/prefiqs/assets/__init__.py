"""Where weights and faces come from: a table of assets (sources in order, sha256, licence) and how they are fetched.

Imports only the standard library, light helpers (pooch, tqdm) and `prefiqs.core`. Nothing fetched is ever imported.
"""

from prefiqs.assets.fetch import fetch, fetch_all
from prefiqs.assets.registry import ASSETS, Asset
from prefiqs.assets.verify import AssetStatus, status

__all__ = ["ASSETS", "Asset", "AssetStatus", "fetch", "fetch_all", "status"]
