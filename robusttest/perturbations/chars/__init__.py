"""Perturbations of characters: typos, surface forms, Unicode."""
