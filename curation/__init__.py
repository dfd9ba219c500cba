"""What the data is: images, masks, datasets, sources and checks. No torch, no network."""
