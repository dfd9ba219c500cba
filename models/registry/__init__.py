"""Models by name and version, kept with MLflow."""
