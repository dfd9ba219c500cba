"""FiftyOne: its database, its App behind a doorkeeper, and what is shown of a data set."""
