"""Errors of endpoints that callers tell apart."""

from __future__ import annotations

from pixfoundation.errors import JudgeError


class RequestRefused(JudgeError):
    """The endpoint or the judge works, but does not accept this one request."""
