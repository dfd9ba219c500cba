"""Rounds at set times: the calendar, the process that runs them, and what it tells."""
