"""ONNX files: made, kept, and looked over before any runtime sees them."""
