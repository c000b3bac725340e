"""`prefiqs publish`."""


def publish() -> None:
    """Copy the results of the pipeline to reports/RUN. The last stage of `dvc repro` calls this."""
    from prefiqs.pipeline.publish import publish as write
    from prefiqs.pipeline.run import open_run

    print(write(open_run()))
