"""The verb demo: the whole loop in small, with a scripted annotator."""
