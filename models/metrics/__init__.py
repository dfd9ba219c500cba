"""The numbers that say how good a prediction is: pure functions on numpy arrays, one definition each."""
