"""Samples on their way to the server: with a mask to start from, and pictures that annotators can see."""
