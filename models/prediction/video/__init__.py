"""Predictions of videos: how the image moves, how much a mask flickers, and predictions smoothed over time."""
