"""Labels: masks and trimaps, the files that hold them, and the images that they belong to."""
