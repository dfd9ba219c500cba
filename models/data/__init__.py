"""What a network is trained on: samples of datasets, augmented, in batches that the seed alone decides."""
