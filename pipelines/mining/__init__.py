"""The verb mine: what a model gets wrong, and why."""
