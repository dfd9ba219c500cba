"""Configuration in YAML: read with care, and refused with the key, the line and the remedy."""
