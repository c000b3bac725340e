"""Tests of the assets; none needs the network."""
