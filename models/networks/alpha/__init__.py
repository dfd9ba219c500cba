"""Networks that give an alpha: how much of each pixel is the person."""
