"""`prefiqs check`."""

from typing import Annotated

from typer import Argument, Exit, Option


def check(
    run: Annotated[str | None, Argument(help="Name of a run; default: the run of params.yaml.")] = None,
    tolerance: Annotated[float, Option(help="Largest relative difference that counts as equal.")] = 1e-6,
) -> None:
    """Compare the tables and numbers of a fresh run with the committed ones. The exit status is 1 if any differ."""
    from prefiqs.pipeline.publish import check_against_commit
    from prefiqs.pipeline.run import open_run

    opened = open_run()
    name = run or opened.params.run
    differences = check_against_commit(opened.layout.root, name, tolerance)
    print("\n".join(differences) or f"All tables and numbers of reports/{name} equal the committed ones.")
    if differences:
        raise Exit(1)
