"""Training: stages, one after the other, in a run folder that can be stopped and resumed."""
