"""Losses by name: of pixels, of regions, of what is wrong; for class labels and for alphas between 0 and 1."""
