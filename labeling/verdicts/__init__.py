"""Whether a label looks wrong, or the image is hard: evidence, and the verdict that follows."""
