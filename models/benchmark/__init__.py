"""What a model costs where it runs: time, memory, size, and with labels what it is worth."""
