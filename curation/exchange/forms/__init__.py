"""One file for each form that a data set leaves in, and what these need."""
