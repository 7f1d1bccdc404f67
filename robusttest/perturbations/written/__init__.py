"""Perturbations that a model writes."""
