"""Perturbations of the prompt around the case, and of decoding."""
