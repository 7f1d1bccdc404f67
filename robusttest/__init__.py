"""Robustness tests for language models, in pytest."""
