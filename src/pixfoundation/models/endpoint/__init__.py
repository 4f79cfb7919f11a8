"""A served model behind an OpenAI-compatible endpoint."""
