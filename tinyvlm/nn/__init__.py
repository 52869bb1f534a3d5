"""Neural-network building blocks (layer 4)."""
