"""Raw-array kernels (layer 1): dispatch.py chooses who computes, library.py is the NumPy path."""
