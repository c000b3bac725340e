"""FR networks: what they share, how they are built, the registry, and where their weights come from."""
