"""The verbs: one file per command, and the command line."""
