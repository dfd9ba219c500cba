"""What is done with data sets that are there: join, merge, split, verify, set aside, count."""
