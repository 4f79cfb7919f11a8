"""Which command lives where, in the order in which `--help` lists them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add all commands to the application."""
    from pixfoundation.cli import (
        compare,
        convert,
        data,
        deletion,
        demo,
        ground,
        imports,
        judge,
        listing,
        report,
        run,
        score,
        serve,
        table,
        train,
    )
    from pixfoundation.cli import emergence as when

    app.command("demo")(demo.demo_command)
    app.command("run")(run.run_command)
    app.command("score")(score.score_command)
    app.command("compare")(compare.compare_command)
    app.command("table")(table.table_command)
    app.command("judge")(judge.judge_command)
    app.command("import")(imports.import_command)
    app.command("when")(when.when_command)
    app.command("deletion")(deletion.deletion_command)
    app.command("report")(report.report_command)
    app.command("ground")(ground.ground_command)
    app.command("app")(serve.app_command)
    app.command("models")(listing.models_command)
    app.command("datasets")(listing.datasets_command)
    app.command("segmenters")(listing.segmenters_command)
    app.add_typer(data.data_app, name="data")
    app.add_typer(train.train_app, name="train")
    app.command("convert-weights")(convert.convert_command)
