"""Verbs around networks: train, models, export, registry."""
