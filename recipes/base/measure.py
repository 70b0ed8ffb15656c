"""What the base model can do: `python recipes/base/measure.py [--model FOLDER] [--questions N]`.

Greedy answers about scenes that no training seed draws. In the recipe's own wordings an answer is
right when it is the expected sentence, word by word. In the demo data sets' wordings, which the
model never saw, the facts are compared: which of the colours, kinds, sizes, numbers, characters and
places of the reference stand in the answer.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import torch
from answers import Lesson, lesson
from phrases import ABILITIES
from transformers import AutoModelForImageTextToText, AutoProcessor

from revolion.demo import BASE
from revolion.demo.abilities import ABILITIES as DEMO
from revolion.demo.drawing import draw_scene
from revolion.demo.scenes import COLOURS, KINDS, MARKS, SIZES
from revolion.demo.words import COLUMNS, NUMERALS, ROWS, plural

SEED = 1_000_003
BATCH = 64
FACTS = {
    *(word for word in (*COLOURS, *KINDS, *SIZES, *MARKS, *NUMERALS, *ROWS, *COLUMNS)),
    *("above", "below", "same", "different", "more", "less", "yes", "no"),
}
SAME_FACT = {plural(kind): kind for kind in KINDS}


class Answerer:
    """Answers the last turn of lessons, the earlier turns given."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder).eval()

    def answer(self, lessons: Sequence[Lesson]) -> list[str]:
        """Greedy answers, one a lesson."""
        said: list[str] = []
        for start in range(0, len(lessons), BATCH):
            said += self._batch(lessons[start : start + BATCH])
        return said

    def _batch(self, lessons: Sequence[Lesson]) -> list[str]:
        inputs = self.processor(
            text=[self._prompt(item) for item in lessons],
            images=[draw_scene(item.scene) for item in lessons],
            return_tensors="pt",
            padding=True,
        )
        with torch.inference_mode():
            tokens = self.model.generate(**inputs, do_sample=False, max_new_tokens=160)
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        said: list[str] = self.processor.batch_decode(answers, skip_special_tokens=True)
        return said

    def _prompt(self, item: Lesson) -> str:
        messages: list[dict[str, object]] = []
        for number, turn in enumerate(item.turns):
            image = [] if number else [{"type": "image"}]
            asked = [*image, {"type": "text", "text": turn.instruction}]
            messages.append({"role": "user", "content": asked})
            messages.append({"role": "assistant", "content": turn.response})
        text: str = self.processor.apply_chat_template(messages[:-1], add_generation_prompt=True)
        return text


def own_lessons(name: str, count: int) -> list[Lesson]:
    """Single questions of one ability in the recipe's wordings."""
    rng = Random(SEED)
    found: list[Lesson] = []
    while len(found) < count:
        item = lesson(rng, 1, (name,))
        found += [item] if item.turns else []
    return found


def demo_lessons(name: str, count: int) -> list[Lesson]:
    """Questions of a demo data set; of a dialogue every turn, the earlier ones given."""
    told = [DEMO[name](Random(SEED + number)) for number in range(count)]
    return [
        Lesson(one.scene, one.turns[: number + 1])
        for one in told
        for number in range(len(one.turns))
    ]


def facts(text: str) -> Counter[str]:
    """The words of a text that state something about a scene, and how often."""
    words = (SAME_FACT.get(word, word) for word in _words(text))
    return Counter(word for word in words if word in FACTS)


def _words(text: str) -> Iterator[str]:
    """Words in lower case, single letters and digits as they are."""
    for word in re.findall(r"[A-Za-z]+|\d", text):
        yield word if len(word) == 1 and word in MARKS and word != "A" else word.lower()


def recall(answer: str, reference: str) -> float:
    """The share of the reference's facts that the answer states, in [0, 1]."""
    expected = facts(reference)
    return (expected & facts(answer)).total() / max(expected.total(), 1)


def tell(text: str) -> None:
    """One line of the script's output, at once."""
    print(text, flush=True)  # noqa: T201  (a script's output)


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BASE)
    parser.add_argument("--questions", type=int, default=200, help="for each ability")
    parser.add_argument("--show", type=int, default=0, help="demo answers to show for each")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = Answerer(arguments.model)
    tell("| ability, own wordings | sentences right | facts right |\n|---|---|---|")
    for name in ABILITIES:
        items = own_lessons(name, arguments.questions)
        _print_row(name, items, model.answer(items), 0)
    tell("\n| demo data set, zero-shot | sentences right | facts right |\n|---|---|---|")
    for name in DEMO:
        items = demo_lessons(name, arguments.questions)
        _print_row(name, items, model.answer(items), arguments.show)


def _print_row(name: str, items: list[Lesson], answers: list[str], show: int) -> None:
    references = [item.turns[-1].response for item in items]
    pairs = list(zip(answers, references, strict=True))
    right = sum(answer == reference for answer, reference in pairs) / len(pairs)
    known = sum(recall(answer, reference) for answer, reference in pairs) / len(pairs)
    tell(f"| {name} | {right:.3f} | {known:.3f} |")
    for item, (answer, reference) in zip(items[:show], pairs, strict=False):
        tell(f"  asked: {item.turns[-1].instruction}\n  right: {reference}\n  given: {answer}")


if __name__ == "__main__":
    main()
