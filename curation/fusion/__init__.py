"""Fusion: persons laid on new backgrounds, with light and place that fit."""
