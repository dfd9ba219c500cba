"""Pages about data sets: galleries, duplicates, backgrounds."""
