"""PixScenes: drawn scenes with exact masks and MMVP-style question pairs, embedded in the package.

Scenes are described (`scenes`), drawn (`drawing`) and asked about (`questions`); `dataset` serves
the fixed test set of 150 pairs as a benchmark.
"""

from pixfoundation.datasets.pixscenes import dataset as dataset  # registers itself
