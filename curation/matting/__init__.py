"""Mattes: the alpha of each pixel near an outline, and colours without their old background."""
