"""The tools in which people correct labels, each a package of its own; what they share is `labeling/answers.py`."""
