"""Photographs for people: ID photos, print sheets, group pictures, backdrops."""
