"""museum.html: one file that shows what was trained, opens from disk and needs no network.

rooms = [Gallery(...), WordRoom(...), TrainingRoom(...), GuideRoom(...), WayOut(...)]
write("museum.html", page(Entrance(...), rooms, colophon="..."))

A room is anything with `anchor`, `title` and `html()`; so a new section is one class.
"""

from tinyvlm.page.boxes import Pointed
from tinyvlm.page.document import Room, page, write
from tinyvlm.page.fragments import Exhibit, Hit, Search, sureness
from tinyvlm.page.guide import KINDS, Asked, GuideRoom, GuideStop, right_of
from tinyvlm.page.light import WordMap
from tinyvlm.page.rooms import Entrance, Gallery, Result, SearchRoom, WayOut, WordRoom
from tinyvlm.page.training import Training, TrainingRoom

__all__ = [
    "KINDS",
    "Asked",
    "Entrance",
    "Exhibit",
    "Gallery",
    "GuideRoom",
    "GuideStop",
    "Hit",
    "Pointed",
    "Result",
    "Room",
    "Search",
    "SearchRoom",
    "Training",
    "TrainingRoom",
    "WayOut",
    "WordMap",
    "WordRoom",
    "page",
    "right_of",
    "sureness",
    "write",
]
