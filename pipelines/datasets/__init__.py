"""Verbs that work on data sets: merge, split, stats, gallery, fuse, matte, duplicates."""
