"""Benchmarks: aligned faces, people and pairs. Never loads torch."""

from prefiqs.datasets.adience import build_adience
from prefiqs.datasets.benchmark import Benchmark, Templates, benchmark_folder, load_benchmark, save_benchmark
from prefiqs.datasets.card import BenchmarkCard, Way
from prefiqs.datasets.cross_quality import build_cross_quality, same_pixels
from prefiqs.datasets.faces import LazyFaces
from prefiqs.datasets.ijbc import build_ijbc
from prefiqs.datasets.insightface_bin import build_insightface_bin, read_bin
from prefiqs.datasets.inventory import BenchmarkState, inventory
from prefiqs.datasets.lfw import build_lfw, build_lfw_photos, read_lfw_pairs
from prefiqs.datasets.orl import build_orl
from prefiqs.datasets.pairs import (
    all_pairs,
    balanced_folds,
    consecutive_folds,
    cross_source_pairs,
    people_of,
    sampled_pairs,
    with_folds,
)
from prefiqs.datasets.prepared import prepared_names, read_prepared, write_prepared
from prefiqs.datasets.registry import BENCHMARKS, build_benchmark
from prefiqs.datasets.score_files import (
    LOWER_IS_BETTER,
    find_score_files,
    read_method_scores,
    read_published_scores,
    write_method_scores,
)
from prefiqs.datasets.subset import keep_people
from prefiqs.datasets.synfiqa import build_synfiqa
from prefiqs.datasets.xqlfw import build_xqlfw

__all__ = [
    "BENCHMARKS", "LOWER_IS_BETTER", "Benchmark", "BenchmarkCard", "BenchmarkState", "LazyFaces", "Templates", "Way",
    "all_pairs", "balanced_folds", "benchmark_folder", "build_adience", "build_benchmark", "build_cross_quality",
    "build_ijbc", "build_insightface_bin", "build_lfw", "build_lfw_photos", "build_orl", "build_synfiqa",
    "build_xqlfw", "consecutive_folds", "cross_source_pairs", "find_score_files", "inventory", "keep_people",
    "load_benchmark", "people_of", "prepared_names", "read_bin", "read_lfw_pairs", "read_method_scores",
    "read_prepared", "read_published_scores", "same_pixels", "sampled_pairs", "save_benchmark", "with_folds",
    "write_method_scores", "write_prepared",
]  # fmt: skip
