"""Models of TensorFlow and TFLite: read without TensorFlow, converted once by OpenVINO's front ends, kept as its IR."""
