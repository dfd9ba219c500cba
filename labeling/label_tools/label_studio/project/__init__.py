"""A project on the server: its label config, its tasks, its ledger, and what annotators read first."""
