"""Faces in photographs: where they are, with eyes, mouth and chin, and how they are turned."""
