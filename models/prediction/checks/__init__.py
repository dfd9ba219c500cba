"""Whether a model is read as its card should say: probes, real pictures, and answers that no model gives."""
