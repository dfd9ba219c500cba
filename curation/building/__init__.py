"""How a data set is built: planned, worked on by several processes, and finished after a stop."""
