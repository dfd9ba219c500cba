"""Pages about models and rounds: reports, bad cases, the index."""
