"""Videos: their frames as displayed, at their times, and new ones of the same times with the same sound."""
