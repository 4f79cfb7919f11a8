"""Requests to OpenAI-compatible endpoints, for judges and for served models."""
