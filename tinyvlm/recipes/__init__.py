"""How the models of this project are trained: data, batch, loss and settings (layer 7)."""
