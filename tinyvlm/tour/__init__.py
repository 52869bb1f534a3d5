"""The demo's tour: a CLIP trained on the spot, a guide trained before, and their page (layer 8)."""

from tinyvlm.tour.demo import run

__all__ = ["run"]
