"""The demo's tour: a CLIP trained on the spot, and a page of what it knows (layer 8)."""

from tinyvlm.tour.demo import run

__all__ = ["run"]
