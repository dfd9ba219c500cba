"""How good a model is: scores of images, of data sets, of slices; and the gate before the champion."""
