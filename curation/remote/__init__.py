"""Object stores: what lies there as if it lay on this machine, and data sets published there."""
