"""Every differentiable operation (layer 2): forward and backward side by side, on raw arrays."""
