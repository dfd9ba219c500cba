"""Verbs that measure models: evaluate, report."""
