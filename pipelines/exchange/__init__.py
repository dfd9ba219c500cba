"""Data sets out into the forms of other tools, and parquet data sets in."""
