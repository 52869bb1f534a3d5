// Kernels include this name; the emulator's 16-bit floats are in floats16.h, which cuda.h includes.
