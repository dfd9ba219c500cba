"""A network for TFLite, by tools in an environment of their own, since they need other versions of packages."""
