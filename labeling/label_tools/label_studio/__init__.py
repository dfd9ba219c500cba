"""Label Studio: a local server, what is sent to it, and what a person sent back."""
