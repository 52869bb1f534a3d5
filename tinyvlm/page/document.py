"""The whole document around the rooms, and writing it so that no half file is ever left.

Style and script stand in museum.css and museum.js beside this file and are copied into the page.
Its content policy forbids the browser to load anything at all, so an accident would show at once.
"""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

from tinyvlm.files import write_atomically
from tinyvlm.page.fragments import escape
from tinyvlm.page.rooms import Entrance

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class Room(Protocol):
    """One section of the page."""

    @property
    def anchor(self) -> str:
        """Of the link in the directory."""
        ...

    @property
    def title(self) -> str: ...

    def html(self) -> str:
        """What stands below the title, every text escaped."""
        ...


def page(entrance: Entrance, rooms: Sequence[Room], colophon: str = "") -> str:
    """The page as HTML: the entrance, the rooms in order, and the colophon, one line of facts."""
    directory = "".join(
        f'<li><a href="#{escape(room.anchor)}">{escape(room.title)}</a></li>' for room in rooms
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(entrance.title)}</title>
<link rel="icon" href="{entrance.icon()}">
<style>
{_beside("museum.css")}</style>
</head>
<body>
<header class="room entrance">
<div class="wall">
{entrance.html()}
<nav aria-label="Rooms"><ol>{directory}</ol></nav>
</div>
</header>
<main>
{"".join(_room(room) for room in rooms)}</main>
<footer class="room"><div class="wall"><p>{escape(colophon)}</p></div></footer>
<script>
{_beside("museum.js")}</script>
</body>
</html>
"""


def write(path: str | Path, html: str) -> None:
    """Puts the page at `path`, whole; raises InputError when it can't be written."""
    write_atomically(path, html.encode())


def _room(room: Room) -> str:
    anchor = escape(room.anchor)
    return f"""<section class="room {anchor}" id="{anchor}" aria-labelledby="{anchor}-title">
<div class="wall">
<h2 id="{anchor}-title">{escape(room.title)}</h2>
{room.html()}
</div>
</section>
"""


def _beside(name: str) -> str:
    return resources.files("tinyvlm.page").joinpath(name).read_text(encoding="utf-8")
