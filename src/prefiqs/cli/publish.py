"""`prefiqs publish`."""


def publish() -> None:
    """Copy the results of the pipeline to reports/RUN, and set them as a paper. A stage of `dvc repro` calls this."""
    from prefiqs.pipeline.document import write_document
    from prefiqs.pipeline.publish import publish as write
    from prefiqs.pipeline.run import open_run

    run = open_run()
    folder = write(run)
    write_document(run, folder)
    print(folder)
