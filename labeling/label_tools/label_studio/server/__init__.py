"""The server itself: installed, started, opened, and called with its answers checked."""
