"""Models that are asked for points or boxes, and how their text is read."""
