"""Run directories: written by `collect`, read by everything after it."""
