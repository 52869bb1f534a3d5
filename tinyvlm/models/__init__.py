"""One paper, one file (layer 6); models never import one another."""
