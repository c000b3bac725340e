"""Where weights and faces come from: a table of assets (sources in order, sha256, licence) and how they are fetched."""
