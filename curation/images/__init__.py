"""Images: their headers, pixels and colours, as they lie and as they are shown; the one door to the decoders."""
