"""Samples spoilt on purpose: each kind of defect as a function of a sample and its data set.

A defect is drawn from a seed and the sample's uid alone, so the same data set gives the same spoilt
samples whichever others are spoilt. What can't be spoilt in a way, as a single word that is to be
shuffled, is None and is for the caller to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType

import numpy as np

from revolion import defects, likeness
from revolion.defects import Responses, Words
from revolion.digests import seed_of, uniform
from revolion.questions import form
from revolion.samples import IMAGE_TAG, Sample, Turn


@dataclass(frozen=True, slots=True)
class Held:
    """A sample as defects look at it.

    ``group`` of images that belong together; ``fold`` of its train part, whose samples a model of
    the other folds has not seen; ``forms`` of its turns' questions; ``asked`` the words of its
    instructions and ``said`` those of its responses.
    """

    sample: Sample
    uid: str
    group: str
    fold: int
    forms: tuple[str, ...]
    responses: Responses
    asked: frozenset[str]
    said: frozenset[str]

    @classmethod
    def of(cls, sample: Sample, group: str, fold: int = 0) -> Held:
        """What defects look at of a sample."""
        asked = [turn.instruction.replace(IMAGE_TAG, " ") for turn in sample.turns]
        responses = tuple(turn.response for turn in sample.turns)
        forms = tuple(map(form, asked))
        return cls(
            sample, sample.uid, group, fold, forms, responses, _words(asked), _words(responses)
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """A data set's samples, of which defects take what they need.

    ``fingerprints`` of images by digest, as `likeness` has them; ``language`` of the data set (ISO
    639-1), None where it is not known; ``words`` that stand in each other's place; ``commonest``
    the responses that most samples of the same forms have, if two do.
    """

    name: str
    seed: int
    held: Sequence[Held]
    fingerprints: Mapping[str, str]
    language: str | None
    words: Words
    commonest: Mapping[tuple[str, ...], Responses]

    @classmethod
    def of(
        cls,
        name: str,
        seed: int,
        held: Sequence[Held],
        fingerprints: Mapping[str, str],
        language: str | None,
    ) -> Pool:
        """The pool of samples in order of their uids."""
        counts = Counter((one.forms, one.responses) for one in held)
        ranked = sorted(counts.items(), key=lambda item: (item[1], item[0]))
        commonest = {forms: said for (forms, said), count in ranked if count > 1}
        said = (pair for one in held for pair in zip(one.forms, one.responses, strict=True))
        return cls(name, seed, held, fingerprints, language, Words.of(said), commonest)

    def draw(self, kind: str, *names: str) -> Random:
        """A source of chance that depends on the seed, the kind of defect and the names alone."""
        return Random(seed_of("audit", self.seed, kind, self.name, *names))


def swapped(one: Held, pool: Pool) -> Sample | None:
    """The responses of another image's sample that asks the same, or as nearly the same as any."""
    donors = _donors(one, pool, "swapped")
    donors.sort(key=lambda other: _overlap(one.asked, other.asked), reverse=True)
    return _with(one, donors[0].responses) if donors else None


def similar(one: Held, pool: Pool) -> Sample | None:
    """The responses of the sample whose image looks most alike, or else whose texts do."""
    donors = _donors(one, pool, "similar")
    shown = [other for other in donors if _fingerprint(other, pool)]
    own = _fingerprint(one, pool)
    if own and shown:
        far = likeness.distances(own, [_fingerprint(other, pool) for other in shown])
        return _with(one, shown[int(np.argmin(far))].responses)
    words = one.asked | one.said
    donors.sort(key=lambda other: _overlap(words, other.asked | other.said), reverse=True)
    return _with(one, donors[0].responses) if donors else None


def wrong_image(one: Held, pool: Pool) -> Sample | None:
    """Another sample's images, as many; of the same fold, so that no model has seen them."""
    number = len(one.sample.images)
    donors = [
        other
        for other in pool.held
        if other.group != one.group and other.fold == one.fold
        if number and len(other.sample.images) == number
    ]
    if not donors:
        return None
    return one.sample.with_images(pool.draw("wrong_image", one.uid).choice(donors).sample.images)


def truncated(one: Held, pool: Pool) -> Sample | None:
    """Each response's first half of words."""
    return _with(one, defects.truncate(one.responses))


def shuffled(one: Held, pool: Pool) -> Sample | None:
    """Each response's words in another order."""
    return _with(one, defects.shuffle(one.responses, "audit", pool.seed, one.uid))


def generic(one: Held, pool: Pool) -> Sample | None:
    """The data set's commonest responses to such questions, or a stock phrase that fits them."""
    return _with(one, pool.commonest.get(one.forms) or defects.stock(one.forms))


def hallucinated(one: Held, pool: Pool) -> Sample | None:
    """One content word in place of another that the data set has in such a place."""
    return _with(one, pool.words.swapped(one.forms, one.responses, "audit", pool.seed, one.uid))


def language(one: Held, pool: Pool) -> Sample | None:
    """Each response a stock sentence in a language that is not the data set's."""
    if pool.language is None:
        return None
    others = [text for name, text in defects.FOREIGN.items() if name != pool.language]
    said = pool.draw("language", one.uid).choice(others)
    return _with(one, (said,) * len(one.responses))


def boilerplate(one: Held, pool: Pool) -> Sample | None:
    """Each response with a phrase behind it, the same in the whole data set."""
    phrase = pool.draw("boilerplate").choice(defects.BOILERPLATE)
    return _with(one, defects.append(one.responses, phrase))


DEFECTS: Mapping[str, Callable[[Held, Pool], Sample | None]] = MappingProxyType(
    {
        "swapped": swapped,
        "similar": similar,
        "wrong_image": wrong_image,
        "truncated": truncated,
        "shuffled": shuffled,
        "generic": generic,
        "hallucinated": hallucinated,
        "language": language,
        "boilerplate": boilerplate,
    }
)
"""The kinds of defects by name."""


def spoilt(kind: str, one: Held, pool: Pool) -> Sample | None:
    """The sample with a defect of a kind, None where it can't have one."""
    found = DEFECTS[kind](one, pool)
    return None if found is None or found.uid == one.uid else found


def same_questions(one: Sample, other: Sample) -> bool:
    """Whether a model is asked the same in both: images, system prompt, instructions, history."""
    asked = [
        (
            [image.sha256 for image in sample.images],
            sample.system,
            [turn.instruction for turn in sample.turns],
            sample.turns[:-1],
        )
        for sample in (one, other)
    ]
    return asked[0] == asked[1]


def _donors(one: Held, pool: Pool, kind: str) -> list[Held]:
    """Those who may give their responses: other images, the same forms of questions; by chance."""
    donors = [
        other
        for other in pool.held
        if other.group != one.group
        and other.forms == one.forms
        and other.responses != one.responses
    ]
    return sorted(donors, key=lambda other: uniform("audit", pool.seed, kind, one.uid, other.uid))


def _fingerprint(one: Held, pool: Pool) -> str:
    """The fingerprint of its first image; '' if there is none."""
    images = one.sample.images
    return pool.fingerprints.get(images[0].sha256 or "", "") if images else ""


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """The share of two sets of words that both hold: 1 for equal ones, that are empty, too."""
    return len(first & second) / len(first | second) if first != second else 1.0


def _words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(" ".join(texts).lower().split())


def _with(one: Held, responses: Responses) -> Sample:
    turns = tuple(
        Turn(turn.instruction, response)
        for turn, response in zip(one.sample.turns, responses, strict=True)
    )
    return replace(one.sample, turns=turns)
