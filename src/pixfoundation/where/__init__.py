"""Where grounding is: by which reading, in which layers and heads."""
