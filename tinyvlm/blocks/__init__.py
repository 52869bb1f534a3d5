"""What the papers add to a transformer (layer 5): patch embedding, ViT, text towers."""
