"""Verbs that bring samples before people: label push, pull, status and the others, and browse."""
