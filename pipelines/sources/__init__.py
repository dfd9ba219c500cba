"""Verbs that make data sets from sources."""
