"""The room in which a trained guide walks through pictures: it says, answers and points."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tinyvlm.page import boxes, light
from tinyvlm.page.boxes import Pointed
from tinyvlm.page.fragments import escape, framed, sure_of, verdict
from tinyvlm.page.light import WordMap


@dataclass(frozen=True)
class Asked:
    """A question, what the model answered, and what is so."""

    question: str
    answer: str
    truth: str
    probability: float  # of the answer

    @property
    def is_right(self) -> bool:
        return self.answer == self.truth

    @property
    def told(self) -> str:
        """The answer, or that there was none."""
        return self.answer or "(nothing)"


@dataclass(frozen=True)
class GuideStop:
    """One picture, and everything that the guide said about it."""

    caption: WordMap  # the picture, the words of the caption, and where each looks
    is_right: bool  # everything in the caption is so, and no object is left out
    truth: str  # what is in the picture
    questions: Sequence[Asked]
    pointed: Sequence[Pointed]
    unseen: str = ""  # the colour-shape pair in it that training never showed

    def html(self) -> str:
        return f"""<div class="stop">
{light.word_map(self.caption)}
<figure class="pointed">{self._framed()}</figure>
<div class="label">
<h4>Caption</h4>
{verdict(self.is_right, f"there is {self.truth}")}
<h4>Questions</h4>
<ol class="asked">{"".join(map(_asked, self.questions))}</ol>
<h4>Boxes</h4>
<ul>{"".join(map(_pointed, self.pointed))}</ul>
</div>
</div>"""

    def _framed(self) -> str:
        picture = self.caption.picture
        layer = boxes.layer((picture.shape[0], picture.shape[1]), self.pointed)
        return framed(picture, self.truth, layer, target=256)


@dataclass(frozen=True)
class GuideRoom:
    """The guide's walk, picture by picture, and how much of what it said is right."""

    stops: Sequence[GuideStop]
    parameters: int
    trained_on: str
    anchor: str = "guide"
    title: str = "The guide"

    def html(self) -> str:
        stops = "".join(
            f"<li>{_heading(number, stop)}{stop.html()}</li>"
            for number, stop in enumerate(self.stops, 1)
        )
        return f'{self._walltext()}<ol class="walk">{stops}</ol>{self._table()}'

    def _walltext(self) -> str:
        asked = [each for stop in self.stops for each in stop.questions]
        yes_or_no = sum(each.truth in ("yes", "no") for each in asked)
        total = {kind: right_of(kind, self.stops) for kind in KINDS}
        unseen = sum(bool(stop.unseen) for stop in self.stops)
        last = f"; the last {unseen} show a colour and a shape that it never met together"
        last = last if unseen else ""
        return f"""<div class="walltext">
<p>This model was not trained just now: it comes with tinyvlm. It is a PaliGemma of
{self.parameters:,} numbers, a tower that looks at the picture and a decoder that writes one word
after the other, trained on {escape(self.trained_on)}.</p>
<p>Of each picture it was asked a caption, {len(self.stops[0].questions)} questions of different
types drawn by chance, and a box for every object by its name. None of the pictures was in its
training. They hang in the order in which the museum draws them{last}.</p>
<p>Touch a word of a caption, or move to it with the mouse or the Tab key: light falls on the
patches that the model attended to when it wrote the word, and a line runs round the brighter half.
The numbers are a patch's share of its attention. The bar below a word is how sure it was. Attention
is where it looked and not why it said the word.</p>
<p>Right are {total["captions"]} captions, {total["answers"]} answers and {total["boxes"]} boxes.
{yes_or_no} of the questions are answered by yes or no; guessing is right in half of those.</p>
</div>"""

    def _table(self) -> str:
        groups = [
            (name, [stop for stop in self.stops if bool(stop.unseen) == unseen])
            for name, unseen in (("pairs seen in training", False), ("one pair never seen", True))
        ]
        rows = "".join(
            f'<tr><th scope="row">{name}</th><td>{len(stops)}</td>'
            + "".join(f"<td>{right_of(kind, stops)}</td>" for kind in KINDS)
            + "</tr>"
            for name, stops in groups
            if stops
        )
        heads = "".join(f'<th scope="col">{kind}</th>' for kind in KINDS)
        return f"""<table class="label">
<caption>Right, of all that it said here</caption>
<thead><tr><td></td><th scope="col">pictures</th>{heads}</tr></thead>
<tbody>{rows}</tbody>
</table>
<p class="rules">A caption is right when everything in it is so and no object is left out. A box
is right when it is the only one, and what it shares with the true box is at least half of what the
two cover together.</p>"""


KINDS: dict[str, Callable[[GuideStop], Sequence[GuideStop | Asked | Pointed]]] = {
    "captions": lambda stop: [stop],
    "answers": lambda stop: stop.questions,
    "boxes": lambda stop: stop.pointed,
}


def right_of(kind: str, stops: Iterable[GuideStop]) -> str:
    """How many of a kind (captions, answers, boxes) are right: "7 of 12"."""
    judged = [each.is_right for stop in stops for each in KINDS[kind](stop)]
    return f"{sum(judged)} of {len(judged)}"


def _heading(number: int, stop: GuideStop) -> str:
    note = f"<p>{escape(stop.unseen)}: never shown in training</p>" if stop.unseen else ""
    return f"<h3>Picture {number}</h3>{note}"


def _asked(item: Asked) -> str:
    question = f"{item.question[:1].upper()}{item.question[1:]}?"
    kind = ' class="true"' if item.is_right else ""
    return (
        f'<li{kind}><p class="question">{escape(question)}</p>'
        f"{sure_of(item.told, item.probability)}"
        f"{verdict(item.is_right, f'the answer is {item.truth}')}</li>"
    )


def _pointed(item: Pointed) -> str:
    kind = "right" if item.is_right else "wrong"
    counts = {0: "no box", 1: f"overlap {item.overlap:.2f}"}
    found = counts.get(len(item.boxes), f"{len(item.boxes)} boxes")
    return f'<li><span>{escape(item.label)}</span> <span class="verdict {kind}">{found}</span></li>'
