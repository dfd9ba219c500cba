"""Annotations on their way back: read, applied as new label versions, counted, and taken back."""
