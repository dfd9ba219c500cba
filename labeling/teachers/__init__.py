"""Labels from models: where teachers agree their mean is the label, elsewhere a person draws it."""
