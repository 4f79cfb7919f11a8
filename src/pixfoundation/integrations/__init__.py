"""PixFoundation inside other evaluation tools, one folder per tool."""
