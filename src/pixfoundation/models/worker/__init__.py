"""A model in an environment of its own, run as a command."""
