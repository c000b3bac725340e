"""What the methods of score files and tables are called on the pages."""

from __future__ import annotations

from prefiqs.pipeline.params import Params
from prefiqs.pruning.spec import spec_grid


def method_labels(params: Params) -> dict[str, str]:
    """Name in files -> name on the pages, for PreFIQs and the embedding norm; others are called as in their files."""
    p = params.prune
    specs = spec_grid(p.granularities, p.criteria, p.ratios, p.seed)
    variants = {
        r.key: f"PreFIQs, {r.granularity} {'L1' if r.criterion == 'l1' else r.criterion}, ρ\u00a0=\u00a0{r.ratio:g}"
        for r in specs
    }
    return variants | {"norm": "embedding norm"}


def usual_variant(params: Params) -> str:
    """The variant of PreFIQs in the pictures of the report: the ratio nearest to `report.gallery_ratio`."""
    p = params.prune
    ratio = min(p.ratios, key=lambda r: abs(r - params.report.gallery_ratio))
    return f"{p.granularities[0]}-{p.criteria[0]}-{ratio:g}"
