"""`pixfoundation recipe`: list the recipes that come with the package, and check one."""

from __future__ import annotations

import typer

from pixfoundation.cli.command import Command, ListingGroup
from pixfoundation.cli.completion import recipe_names
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import output, print_json, print_text
from pixfoundation.wording import counted

RECIPE = typer.Argument(
    help="Name of a recipe of `pixfoundation recipe`, or a TOML file.",
    autocompletion=recipe_names,
)

recipe_app = typer.Typer(
    cls=ListingGroup, help="List the recipes of published tables, show one, or check a file."
)


@recipe_app.command("list", cls=Command)
def list_command(as_json: bool = AS_JSON) -> None:
    """List the recipes that come with the package; the default if no subcommand is given.

    Example:
      pixfoundation recipe
    """
    from pixfoundation.reproduction.recipe import read_recipe, shipped_recipes

    recipes = {name: read_recipe(file) for name, file in shipped_recipes().items()}
    if as_json:
        print_json([{"name": name, "title": recipe.title} for name, recipe in recipes.items()])
        return
    width = max(map(len, recipes), default=0)
    for name, recipe in recipes.items():
        output().print(f"{name.ljust(width)}  {recipe.title}")


@recipe_app.command("show", cls=Command)
def show_command(recipe: str = RECIPE) -> None:
    """Print the file of a recipe, to start one of your own from.

    Example:
      pixfoundation recipe show embedded > mine.toml
    """
    from pixfoundation.reproduction.recipe import find_recipe

    print_text(find_recipe(recipe).read_text(encoding="utf-8"))


@recipe_app.command("schema", cls=Command)
def schema_command() -> None:
    """Print the entries of a recipe as a JSON Schema, for editors that complete and check them.

    Example:
      pixfoundation recipe schema > recipe.schema.json
    """
    from pixfoundation.reproduction.recipe import recipe_schema

    print_json(recipe_schema())


@recipe_app.command("check", cls=Command)
def check_command(recipe: str = RECIPE) -> None:
    """Look up every name of a recipe, and check every option, before anything runs.

    Examples:
      pixfoundation recipe check mine.toml

      pixfoundation recipe check table1
    """
    from pixfoundation.reproduction.checking import load_recipe
    from pixfoundation.reproduction.plan import make_plan
    from pixfoundation.reproduction.recipe import find_recipe

    file = find_recipe(recipe)
    checked = load_recipe(file)
    plan = make_plan(checked, file)
    rows = sum(len(run.rows) for run in plan.runs)
    output().print(
        f"{file.name} is valid: {counted(len(plan.runs), 'run')}, {counted(rows, 'row')}."
    )
