"""What every page is made of: templates, figures, thumbnails, PDF."""
