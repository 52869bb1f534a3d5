"""One proof a system (layer 8): measured on held-out data against chance and named controls."""
