"""Benchmarks: aligned faces, people and pairs. Never loads torch."""
