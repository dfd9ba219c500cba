"""Pages about experiments: ablations and simulations."""
