"""Cambrian-1 8B (arXiv 2406.16860) on current libraries.

from pixfoundation.models.cambrian.checkpoint import load

model = load("nyu-visionx/cambrian-8b", towers="towers", dtype=torch.float16, device="cuda")
features = model.encode(rgb)
out = model.generate(ids, features, (width, height), max_new_tokens=64)
"""
