"""Pruning: from a network and a spec to a smaller network, exactly repeatable, and compact on disk."""
