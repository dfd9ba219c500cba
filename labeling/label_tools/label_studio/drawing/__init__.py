"""What annotators draw, as masks: brushes, polygons, ellipses, and the regions of an annotation."""
