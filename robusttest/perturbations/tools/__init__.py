"""Perturbations of the tools that a task offers."""
