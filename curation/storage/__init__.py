"""Files and folders: read with limits, written whole or not at all, locked, and resumed after a stop."""
