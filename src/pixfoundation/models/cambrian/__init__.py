"""Cambrian-1 8B (arXiv 2406.16860) on current libraries.

Example:
    Without the conversation::

        from pixfoundation.models.cambrian.checkpoint import load

        model = load("nyu-visionx/cambrian-8b", towers="towers", device="cuda")
        features = model.encode(rgb)
        output = model.generate(ids, features, (width, height), Decoding(max_new_tokens=64))
"""
