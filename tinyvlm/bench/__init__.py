"""Benchmarks against other engines (layer 8). Nothing here is imported by the library."""
