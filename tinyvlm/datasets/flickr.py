"""Flickr8k and Flickr30k: photographs with five captions each, in the three forms they have (4).

    Flickr8k.token.txt, results_20130124.token    NAME.jpg#2<TAB>caption
    results.csv                                   NAME.jpg| 2| caption, after a line of headings
    captions.txt                                  NAME.jpg,caption, after the line image,caption

Hodosh et al. 2013 and Young et al. 2014. The form is seen from the first line. The published files
have a name that is none and a row without a field; such rows are skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.text_files import check_file, lines, table
from tinyvlm.errors import InputError
from tinyvlm.images import EXTENSIONS

Row = tuple[str, list[str] | InputError]  # where, and name and caption or what is wrong


class FlickrCaptions(PictureSet):
    """Every photograph with its captions, in the order of the file.

    `captions[i]` are those of `paths[i]`. `only` is a file with the names of a split, one a line,
    such as Flickr_8k.trainImages.txt. Raises InputError for a file that can't be read, has another
    form, or leaves no caption.
    """

    def __init__(
        self,
        file: str | os.PathLike,
        pictures: str | os.PathLike,
        only: str | os.PathLike | None = None,
        size: int | None = None,
    ):
        super().__init__(pictures, size)
        path = check_file(file)
        captions: dict[str, list[str]] = {}
        for where, row in _rows(path):
            try:
                name, caption = self._check(row)
            except InputError as error:
                self.skipped.append((path, f"{where}: {error}"))
            else:
                captions.setdefault(name, []).append(caption)
        if not captions:
            first = self.skipped[0][1] if self.skipped else "none at all"
            raise InputError(f"{quote(path)} has no usable caption; {first}")
        if only is not None:
            captions = self._chosen(captions, check_file(only))
        self.names = list(captions)
        self.captions = list(captions.values())

    def _check(self, row: list[str] | InputError) -> tuple[str, str]:
        if isinstance(row, InputError):
            raise row
        if len(row) != 2:
            raise InputError(f"{len(row)} fields instead of a name and a caption")
        name, caption = row[0].strip(), row[1].strip()
        if os.path.splitext(name)[1].lower() not in EXTENSIONS:
            raise InputError(f"{name!r:.60} is no picture's name")
        if not caption:
            raise InputError("no caption")
        return self.confined.name(name), caption

    def _chosen(self, captions: dict[str, list[str]], only: Path) -> dict[str, list[str]]:
        wanted = {}  # a dict keeps their order
        for number, line in enumerate(lines(only), 1):
            if line.strip():
                wanted[line.strip()] = number
        for name, number in wanted.items():
            if name not in captions:
                self.skipped.append((only, f"line {number}: {name!r:.60} has no captions"))
        chosen = {name: texts for name, texts in captions.items() if name in wanted}
        if not chosen:
            raise InputError(f"{quote(only)} names no picture that has captions; one name a line")
        return chosen

    def _facts(self, index: int) -> dict:
        return {"captions": list(self.captions[index])}


def _rows(path: Path) -> Iterator[Row]:
    """The rows of any of the three forms."""
    first = next(lines(path), "")
    headings = [heading.strip() for heading in first.replace("|", ",").split(",")]
    if headings == ["image", "caption"]:
        yield from list(table(path))[1:]
    elif headings == ["image_name", "comment_number", "comment"]:
        yield from _piped(path)
    elif "#" in first.partition("\t")[0] and "\t" in first:
        yield from _tokens(path)
    else:
        raise InputError(
            f"{quote(path)} is none of Flickr's files: it must have lines NAME.jpg#0<TAB>caption, "
            "or begin with image,caption or with image_name| comment_number| comment"
        )


def _tokens(path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines(path), 1):
        name, tab, caption = line.partition("\t")
        if line.strip():
            broken = InputError("no NAME.jpg#0<TAB>caption")
            name, _, which = name.rpartition("#")
            yield f"line {number}", [name, caption] if tab and which.isdigit() else broken


def _piped(path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines(path), 1):
        fields = line.split("|", 2)  # a caption may have the sign itself
        if line.strip() and number > 1:
            broken = InputError(f"{len(fields)} fields, not NAME.jpg| 0| caption")
            is_whole = len(fields) == 3 and fields[1].strip().isdigit()
            yield f"line {number}", [fields[0], fields[2]] if is_whole else broken
