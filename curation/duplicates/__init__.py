"""Images that are there twice, or nearly so: found, grouped, and fixed."""
