"""Former home of the option parsers; import from `pixfoundation.choice_parsing` instead."""

from pixfoundation.choice_parsing import PARSERS, parse_tolerant

__all__ = ["PARSERS", "parse_tolerant"]
