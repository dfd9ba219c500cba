"""The loop: one round after the other, of which each mines, waits for labels, trains, and decides."""
