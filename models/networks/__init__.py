"""The networks of the field, one file each; `registry` finds them by name."""
