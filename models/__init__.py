"""How a mask is predicted: networks, losses, training, inference and metrics."""
