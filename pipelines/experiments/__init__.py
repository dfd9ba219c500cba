"""Verbs that compare recipes: ablate, simulate."""
