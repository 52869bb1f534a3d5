"""How well a model does (layer 4): functions of raw arrays."""
