"""`prefiqs publish`."""


def publish() -> None:
    """Copy the results of the pipeline to reports/RUN: the last stage of `dvc repro`.

    A run that tests claims (`report.claims`) is also typeset as paper.pdf.
    """
    from prefiqs.pipeline.paper_pdf import write_paper_pdf
    from prefiqs.pipeline.publish import publish as write
    from prefiqs.pipeline.run import open_run

    run = open_run()
    folder = write(run)
    if run.params.report.claims:
        write_paper_pdf(run, folder)
        for grid in folder.glob("paper/edc-grid-*.png"):  # shown in paper.pdf only
            grid.unlink()
    print(folder)
