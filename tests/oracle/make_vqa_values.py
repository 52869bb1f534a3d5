"""Draw answers, and store them with what the official VQA evaluation says of them.

Run it with any Python, whose working folder is a clone of github.com/GT-Vision-Lab/VQA:
    python .../tests/oracle/make_vqa_values.py
It is Python 2; its two print statements are taken out.
vqa_values.json: "normal", pairs of an answer and its normal form; "questions",
[answer, ten people's answers, accuracy], where answers are numbers of those pairs.
"""

import json
import random
import re
import warnings
from pathlib import Path

OFFICIAL = Path("PythonEvaluationTools/vqaEvaluation/vqaEval.py")
VALUES = Path(__file__).with_name("vqa_values.json")
QUESTIONS = 300
STEMS = """
    yes no two 2 none zero ten red black/white t-shirt 1,000 3.5 5 10:30 a.m. st. dont don't isnt
    whats someone'dve youre y'allll wouldnt've maam o'clock oclock let's lets wed we'd somebody'd
    dog dogs man's café left-hand [sign] "stop" (none) it's its 50% $5 a an the U.S. Dr. # & Im I've
"""


class Answers:
    """What the official class asks of a data set: the questions by number."""

    def __init__(self, by_number: dict) -> None:
        self.qa = by_number

    def getQuesIds(self) -> list:
        return list(self.qa)


def official() -> type:
    text = re.sub(r'print "[^"]*"', "pass", OFFICIAL.read_text(encoding="utf-8"))
    names: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its regular expressions
        exec(compile(text, str(OFFICIAL), "exec"), names)
    names["VQAEval"].updateProgress = lambda self, progress: None
    return names["VQAEval"]


def draw_answer(rng: random.Random) -> str:
    words = [rng.choice(STEMS.split()) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    text = rng.choice([" ", " ", " ", ", ", "-", " / "]).join(words)
    text = rng.choice([str, str, str.capitalize, str.upper])(text)
    return text + rng.choice(["", "", "", ".", "!", " ?", "\n", " "])


def draw_question(rng: random.Random) -> tuple[str, list[str]]:
    several = [draw_answer(rng) for _ in range(rng.choice([1, 2, 3, 5]))]
    answers = [rng.choice(several) for _ in range(10)]
    ways = [str, str, str.lower, str.title, "the {}".format, "{}.".format]
    spelled = [rng.choice(ways)(answer) for answer in answers]
    if rng.random() < 0.3:
        spelled = [answers[0]] * 10
    return rng.choice([*several, several[0].lower(), draw_answer(rng)]), spelled


if __name__ == "__main__":
    rng = random.Random(2016)
    questions = [draw_question(rng) for _ in range(QUESTIONS)]
    about = {"question_type": "any", "answer_type": "any"}
    people = {
        k: {**about, "answers": [{"answer": a, "answer_id": i} for i, a in enumerate(answers)]}
        for k, (_, answers) in enumerate(questions)
    }
    mine = {k: {"answer": answer} for k, (answer, _) in enumerate(questions)}
    evaluation = official()(Answers(people), Answers(mine), n=10)
    evaluation.evaluate()

    texts = sorted({answer for one, answers in questions for answer in (one, *answers)})
    normal = [
        [text, evaluation.processDigitArticle(evaluation.processPunctuation(text))]
        for text in texts
    ]
    rows = [
        [texts.index(one), [texts.index(a) for a in answers], evaluation.evalQA[k] / 100]
        for k, (one, answers) in enumerate(questions)
    ]
    text = json.dumps({"normal": normal, "questions": rows}, separators=(",", ":"))
    VALUES.write_text(text + "\n", encoding="utf-8")
