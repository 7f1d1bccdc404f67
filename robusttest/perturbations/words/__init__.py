"""Perturbations of words, sentences and what stands around them."""
