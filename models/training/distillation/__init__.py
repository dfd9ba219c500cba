"""A teacher in a training: which model it is, and what it says of the images, computed once."""
