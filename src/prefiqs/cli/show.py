"""`prefiqs show`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

_SHOWN = ["path", "face", "score", "percentile", "hints"]


def show(
    table: Annotated[Path, Argument(help="A .csv, .parquet or folder of shards that `prefiqs score` wrote.")],
    worst: Annotated[int, Option(min=0, help="How many of the lowest scores to show.")] = 20,
    best: Annotated[int, Option(min=0, help="How many of the highest scores to show.")] = 0,
    html: Annotated[Path | None, Option(help="Also write a self-contained page with these faces.")] = None,
    photos: Annotated[Path, Option(help="Folder to which relative paths in the table refer.")] = Path(),
) -> None:
    """Show the lowest and highest scores of a table, with hints. With --html, you can also try thresholds.

    Examples:

        prefiqs show scores.csv --worst 20

        prefiqs show scores.csv --worst 100 --best 50 --html scores.html
    """
    from prefiqs.apps.score.page import write_page
    from prefiqs.apps.score.rows import PERCENTILE, read_scores
    from prefiqs.apps.score.run import check_page

    if html:
        check_page(html)
    rows = read_scores(table).to_pandas()
    for method, scored in rows.dropna(subset="score").sort_values("score", kind="stable").groupby("method", sort=False):
        for end, some in (("lowest", scored.head(worst)), ("highest", scored.tail(best)[::-1])):
            if len(some):
                print(f"The {len(some)} {end} scores of {method}:\n")
                shown = some[_SHOWN].astype({"face": int}).astype(object).fillna("")
                print(shown.to_markdown(index=False, disable_numparse=True), end="\n\n")
    if rows["percentile"].notna().any():
        print(f"percentile: {PERCENTILE}")
    lost = rows.loc[rows["score"].isna(), "path"].nunique()
    print(f"{rows['path'].nunique():,} photos, {lost:,} without a score", file=sys.stderr)
    if html:
        write_page(rows, html, table.name, photos, worst, best)
        print(f"page: {html}", file=sys.stderr)
