"""Selectors by name: which of an answer's masks stands for the expression."""

from pixfoundation.selectors.base import Choice, Selector, selectors

__all__ = ["Choice", "Selector", "selectors"]

for _name, _attribute, _summary in (
    ("native", "Native", "the model's own masks, united (or the first of them)"),
    ("auto", "Auto", "what a judge picked"),
    ("similarity", "Similar", "the phrase most like the expression (a+s)"),
    ("oracle", "Oracle", "the best of all by the ground truth: an upper bound"),
    ("random", "RandomPoint", "one uniformly random point: a baseline"),
    ("oracle_random", "OracleOfRandom", "the best of as many random masks: the oracle's chance"),
    ("score", "BestScored", "the segmenter's own best score"),
    ("union", "United", "all masks together"),
):
    selectors.announce(_name, f"pixfoundation.selectors.{_name}", _attribute, summary=_summary)
