"""Where persons usually are, over the frame or over the face: found before the first step."""
