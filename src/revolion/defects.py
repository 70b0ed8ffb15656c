"""What can be wrong with a sample's responses, made on purpose. Pure functions over texts.

Known faults in known samples say whether a score finds them. Which sample gets which, and what it
takes from others, `spoiling` and the demo say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from revolion.digests import seed_of

Responses = tuple[str, ...]
"""The responses of one sample, one a turn."""

BOILERPLATE = (
    "I hope this helps! Let me know if you have any other questions.",
    "As an AI language model, I can't see the image, but this is my best guess.",
    "Thank you for your question, and have a nice day!",
)
"""What is added to responses, one of these in a data set."""

STOCK = {
    "yes_no": "Yes.",
    "how_many": "There are several.",
    "where": "It is in the middle of the image.",
    "who_when": "It can't be told from the image.",
    "why": "Because it belongs there.",
    "choice": "The first one.",
}
"""A form of question (`questions.FORMS`) -> a response that fits any image."""

ANYTHING = "The image shows several things in a scene."
"""What fits every other form of question."""

FOREIGN = {
    "de": "Auf dem Bild sind mehrere Dinge zu sehen, die nebeneinander liegen.",
    "fr": "L'image montre plusieurs objets qui se trouvent les uns à côté des autres.",
    "es": "En la imagen se ven varias cosas que están una al lado de la otra.",
    "en": "The image shows several things that lie next to each other.",
}
"""Language (ISO 639-1) -> a sentence in it that says nothing of the image."""

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_EMPTY = frozenset(
    _WORD.findall(
        "the and for with that this these those there here its their his her they them you your our"
        " not are was were has have had does did can could will would should may might must from"
        " into onto over under than then also very some any each all both which what who whom whose"
        " where when why how but nor yet because while about between near next"
    )
)
"""Words of English that name nothing; articles and the like are too short to be looked at."""


def truncate(responses: Responses) -> Responses:
    """Each response's first half of words, at least one."""
    return tuple(" ".join(_first_half(text.split())) for text in responses)


def shuffle(responses: Responses, *names: object) -> Responses:
    """Each response's words in another order, drawn from a seed of the names."""
    rng = Random(seed_of("shuffle", *names))
    return tuple(_in_other_order(text.split(), rng) for text in responses)


def append(responses: Responses, phrase: str) -> Responses:
    """Each response with a phrase behind it."""
    return tuple(f"{text.rstrip()} {phrase}" for text in responses)


def stock(forms: Sequence[str]) -> Responses:
    """What fits questions of these forms whatever the image."""
    return tuple(STOCK.get(form, ANYTHING) for form in forms)


@dataclass(frozen=True, slots=True)
class Words:
    """Which words a data set uses in each other's place.

    ``places`` maps a place, which is the form of question and the words before and behind, to the
    content words that stand there: those of three letters or more and the numbers, but for words of
    English that name nothing and for words that more than half of a form's responses hold.
    """

    places: Mapping[tuple[str, str, str], frozenset[str]]

    @classmethod
    def of(cls, said: Iterable[tuple[str, str]]) -> Words:
        """Those of a data set's responses, given as pairs (form of question, response)."""
        said = list(said)
        sizes = Counter(form for form, _ in said)
        held = Counter(
            (form, word) for form, text in said for word in set(_WORD.findall(text.lower()))
        )
        places: dict[tuple[str, str, str], set[str]] = {}
        for form, text in said:
            for _, word, place in _content(form, text):
                if 2 * held[form, word.lower()] <= sizes[form]:
                    places.setdefault(place, set()).add(word)
        return cls({place: frozenset(words) for place, words in places.items()})

    def swapped(self, forms: Sequence[str], responses: Responses, *names: object) -> Responses:
        """The responses with one content word in place of another that may stand there.

        Which, is drawn from a seed of the names. The new word stands nowhere in that response. They
        are as they were where no word of theirs has another in its place.
        """
        choices = [
            (turn, match, sorted(others))
            for turn, (form, text) in enumerate(zip(forms, responses, strict=True))
            for match, word, place in _content(form, text)
            if word in self.places.get(place, ())
            and (others := self.places[place] - set(_WORD.findall(text)))
        ]
        if not choices:
            return responses
        rng = Random(seed_of("hallucinated", *names))
        turn, match, fitting = rng.choice(choices)
        text = responses[turn]
        changed = text[: match.start()] + rng.choice(fitting) + text[match.end() :]
        return (*responses[:turn], changed, *responses[turn + 1 :])


def _content(form: str, text: str) -> Iterator[tuple[re.Match[str], str, tuple[str, str, str]]]:
    """The words of a response that may name something, each with its match and its place."""
    found = list(_WORD.finditer(text))
    words = ["", *(match.group() for match in found), ""]
    for number, match in enumerate(found, 1):
        word = words[number]
        telling = (len(word) > 2 and word.lower() not in _EMPTY) or word.isdigit()
        if telling:
            yield match, word, (form, words[number - 1].lower(), words[number + 1].lower())


def _first_half(words: list[str]) -> list[str]:
    return words[: max(1, len(words) // 2)]


def _in_other_order(words: list[str], rng: Random) -> str:
    mixed = words
    while mixed == words and len(set(words)) > 1:
        mixed = rng.sample(words, len(words))
    return " ".join(mixed)
