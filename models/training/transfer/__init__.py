"""What a network brings with it: an encoder that learnt to classify, and a model that is fitted to one photograph."""
