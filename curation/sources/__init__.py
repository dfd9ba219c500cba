"""Where samples come from: public data sets, and folders of images with or without labels."""
