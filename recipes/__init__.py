"""Training recipes of the embedded models, and of what they are trained on."""
