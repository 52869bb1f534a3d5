"""The rooms of the museum in which pictures hang; the training has a file of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from tinyvlm import show
from tinyvlm.page import fragments, light
from tinyvlm.page.fragments import Exhibit, Search, escape, share
from tinyvlm.page.light import WordMap
from tinyvlm.page.training import Training


@dataclass(frozen=True)
class Result:
    """How often the model named pictures of one kind right."""

    name: str  # e.g. "held-out pairs"
    pictures: int
    colour: float  # shares, 0..1
    shape: float
    both: float


@dataclass(frozen=True)
class Entrance:
    """The title, three sentences on what happened, and one picture."""

    training: Training
    held_out: Result
    choices: int  # names to choose from; a guess is right one time in so many
    example: str  # a sentence from training
    exhibit: Exhibit
    title: str = "A model that learned to look"

    def html(self) -> str:
        seconds, pictures = self.training.seconds[-1], self.training.pictures
        return f"""<div class="entry">
<div>
<h1>{escape(self.title)}</h1>
<p>Before training, this model was {self.training.parameters:,} random numbers.</p>
<p>It trained for {seconds:.0f} seconds on {escape(self.training.machine)}: {pictures:,} small
pictures, each with a sentence such as “{escape(self.example)}”.</p>
<p>Then it named {self.held_out.pictures:,} pictures whose colour and shape it had never seen
together. Both were right in {share(self.held_out.both)} of them; guessing would give
{share(1 / self.choices)}.</p>
</div>
{fragments.exhibit(self.exhibit, target=256)}
</div>"""

    def icon(self) -> str:
        """The picture at the entrance, for the browser's tab."""
        return show.data_uri(Image.fromarray(self.exhibit.picture))


@dataclass(frozen=True)
class Gallery:
    """Held-out compositions: what the model said, and how sure it was."""

    exhibits: Sequence[Exhibit]
    how_chosen: str  # e.g. "the first 18, in the order in which the museum draws them"
    withheld: Sequence[str]  # e.g. "red circle"
    results: Sequence[Result]
    choices: int
    anchor: str = "gallery"
    title: str = "Never seen together"

    def html(self) -> str:
        right = sum(item.is_right for item in self.exhibits)
        return f"""<div class="walltext">
<p>Kept out of training were {len(self.withheld)} pairs of a colour and a shape:
{escape(_listed(self.withheld))}. No picture showed one of them, and no sentence had both of its
words. The model met each colour and each shape only in other company.</p>
<p>Here hang {len(self.exhibits)} such pictures: {escape(self.how_chosen)}. Beside each stand the
model's first three answers of {self.choices} and how sure it was. {right} of
{len(self.exhibits)} are right.</p>
</div>
<ul class="hang">{"".join(f"<li>{fragments.exhibit(item)}</li>" for item in self.exhibits)}</ul>
{self._table()}"""

    def _table(self) -> str:
        rows = [(r.name, f"{r.pictures:,}", r.colour, r.shape, r.both) for r in self.results]
        body = "".join(
            f'<tr><th scope="row">{escape(name)}</th><td>{pictures}</td>'
            f"<td>{share(colour)}</td><td>{share(shape)}</td><td>{share(both)}</td></tr>"
            for name, pictures, colour, shape, both in rows
        )
        return f"""<table class="label">
<caption>Named right, over all pictures</caption>
<thead><tr><td></td><th scope="col">pictures</th><th scope="col">colour</th>
<th scope="col">shape</th><th scope="col">both</th></tr></thead>
<tbody>{body}</tbody>
</table>"""


@dataclass(frozen=True)
class SearchRoom:
    """Sentences, and the pictures that the model puts nearest to them."""

    searches: Sequence[Search]
    pictures: int  # how many were searched
    anchor: str = "search"
    title: str = "Search by sentence"

    def html(self) -> str:
        return f"""<div class="walltext">
<p>The model turns a sentence and a picture into arrows of the same space. A search sorts
{self.pictures:,} new pictures by how closely their arrow points the same way (1 is the same
direction, 0 is unrelated). The first ones hang here, the nearest first.</p>
</div>
{"".join(fragments.search(item) for item in self.searches)}"""


@dataclass(frozen=True)
class WordRoom:
    """Pictures in the dark, lit where they are similar to the chosen word."""

    word_maps: Sequence[WordMap]
    anchor: str = "words"
    title: str = "Where each word looks"

    def html(self) -> str:
        rows, cols = self.word_maps[0].heats[0].shape
        hung = "".join(f"<li>{light.word_map(item)}</li>" for item in self.word_maps)
        return f"""<div class="walltext">
<p>The model cuts a picture into {rows} × {cols} patches. Touch a word, or move to it with the mouse
or the Tab key: light falls on the patches most similar to it, and a line runs round the brighter
half of the range. Training never said where anything is. A colour word mostly finds the object; a
shape is read from all patches together, so its light may fall beside.</p>
</div>
<ul class="hang">{hung}</ul>"""


@dataclass(frozen=True)
class WayOut:
    """How to go on: commands to type and lessons to read."""

    commands: Sequence[tuple[str, str]]  # command, what it does
    lessons: Sequence[tuple[str, str]]  # folder, what it is about
    anchor: str = "way-out"
    title: str = "How to go on"

    def html(self) -> str:
        commands = "".join(
            f"<dt><code>{escape(command)}</code></dt><dd>{escape(does)}</dd>"
            for command, does in self.commands
        )
        lessons = "".join(
            f"<li><code>{escape(folder)}</code> {escape(about)}</li>"
            for folder, about in self.lessons
        )
        return f"""<div class="twofold">
<div><h3>Type</h3><dl class="commands">{commands}</dl></div>
<div><h3>Read, in this order</h3><ol class="lessons">{lessons}</ol></div>
</div>"""


def _listed(names: Sequence[str]) -> str:
    """a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
