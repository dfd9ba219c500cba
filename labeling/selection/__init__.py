"""Which samples a person should look at next."""
