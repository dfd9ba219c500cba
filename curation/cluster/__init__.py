"""Jobs on several machines: shards of the items, each worked on by the local engine of the machine that takes it."""
