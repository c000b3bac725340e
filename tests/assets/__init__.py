"""Tests of the assets room; none needs the network."""
