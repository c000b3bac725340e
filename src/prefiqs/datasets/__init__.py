"""Benchmarks: aligned faces, people and pairs. Never loads torch."""

from prefiqs.datasets.benchmark import Benchmark, benchmark_folder, load_benchmark, save_benchmark
from prefiqs.datasets.cross_quality import build_cross_quality, same_pixels
from prefiqs.datasets.orl import build_orl
from prefiqs.datasets.pairs import all_pairs, balanced_folds, cross_source_pairs, with_folds

__all__ = [
    "Benchmark", "all_pairs", "balanced_folds", "benchmark_folder", "build_cross_quality", "build_orl",
    "cross_source_pairs", "load_benchmark", "same_pixels", "save_benchmark", "with_folds",
]  # fmt: skip
