"""Verbs that make photographs for people: cutout, idphoto, group."""
