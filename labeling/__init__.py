"""What a person should look at next, and what came back: selection, Label Studio, FiftyOne."""
