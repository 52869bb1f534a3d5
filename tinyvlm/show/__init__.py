"""What people look at: raw arrays in, Pillow images and SVG strings out; nothing opens a window."""

from tinyvlm.show.boxes import with_boxes
from tinyvlm.show.charts import curve
from tinyvlm.show.pictures import (
    colours,
    data_uri,
    enlarge,
    grid,
    matrix,
    overlay,
    to_png_bytes,
    veil,
)

__all__ = [
    "colours",
    "curve",
    "data_uri",
    "enlarge",
    "grid",
    "matrix",
    "overlay",
    "to_png_bytes",
    "veil",
    "with_boxes",
]
