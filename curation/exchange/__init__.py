"""Data sets in the forms of other tools: out by `convert_dataset`, back in with the columns that were kept beside."""
