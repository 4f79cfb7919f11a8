"""Recipes: files that name the runs of a table, and what reproduces it from them."""
