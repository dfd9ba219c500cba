"""A data set: its manifest, its card, its samples, and the licences of what is in it."""
