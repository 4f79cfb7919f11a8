"""The commands with their modules, in the order in which `--help` lists them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add all commands to the application."""
    from pixfoundation.cli import (
        compare,
        convert,
        datasets,
        deletion,
        demo,
        emergence,
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
    from pixfoundation.cli.command import Command

    commands = {
        "demo": demo.demo_command,
        "run": run.run_command,
        "score": score.score_command,
        "compare": compare.compare_command,
        "table": table.table_command,
        "judge": judge.judge_command,
        "import": imports.import_command,
        "emergence": emergence.emergence_command,
        "deletion": deletion.deletion_command,
        "report": report.report_command,
        "ground": ground.ground_command,
        "app": serve.app_command,
        "models": listing.models_command,
        "segmenters": listing.segmenters_command,
        "selectors": listing.selectors_command,
        "grounders": listing.grounders_command,
        "judges": listing.judges_command,
    }
    for name, command in commands.items():
        app.command(name, cls=Command)(command)
    app.add_typer(datasets.datasets_app, name="datasets")
    app.add_typer(train.train_app, name="train")
    app.command("convert-weights", cls=Command)(convert.convert_command)
