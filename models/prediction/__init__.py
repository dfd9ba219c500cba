"""From images to the probability of person, with run folders and ONNX files, on whatever engine is fastest and safe."""
