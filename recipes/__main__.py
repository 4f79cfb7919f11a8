"""`python -m recipes`: train the embedded models from scratch."""

from recipes.commands import app

app(prog_name="python -m recipes")
