"""What kind of question an instruction asks, by its words alone: one of eleven forms. Pure.

A data set of yes/no questions and one of descriptions are not equally easy to score on, so quality
is looked at form by form. The rules are of English grammar, not of any data set's templates; what
they don't know, as most of any other language, is of the form ``other``.
"""

from __future__ import annotations

import re
from itertools import pairwise

FORMS = (
    "yes_no",
    "choice",
    "how_many",
    "what",
    "which",
    "where",
    "who_when",
    "why",
    "how",
    "request",
    "other",
)
"""The forms of question. ``choice``: among options that are listed, or joined by "or";
``how_many``: how much, too; ``request``: to describe, write, name or do something."""

_LONGEST = 4000  # characters that are looked at

_AUXILIARY = (
    r"(?:is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|shall|should|may|might"
    r"|must|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|hasn't|haven't|can't|couldn't|won't"
    r"|wouldn't|shouldn't)\b"
)
_REQUEST = re.compile(
    r"(?:please|kindly|describe|summari[sz]e|caption|write|compose|create|generate|make|draft|draw"
    r"|give|provide|offer|share|list|enumerate|name|mention|state|tell|say|answer|respond|explain"
    r"|elaborate|discuss|analy[sz]e|examine|interpret|identify|find|locate|detect|point|show"
    r"|compare|contrast|classify|categori[sz]e|choose|select|pick|read|extract|transcribe"
    r"|translate|convert|rewrite|complete|continue|fill|solve|calculate|compute|determine"
    r"|estimate|predict|imagine|suppose|look|use|using|render|present|outline|narrate|portray"
    r"|let's)\b"
)
_STARTS = (
    ("how_many", re.compile(r"(?:count\b|(?:by |for |to )?how (?:many|much)\b)")),
    ("why", re.compile(r"(?:for )?why\b|how come\b")),
    ("how", re.compile(r"how\b|in what way\b")),
    # Without a verb at once they begin a subordinate clause: "when it is on, what ...".
    ("where", re.compile(rf"(?:from )?where(?:'s\b| (?:exactly |else )?{_AUXILIARY}|$)")),
    ("who_when", re.compile(rf"(?:since )?when(?:'s\b| (?:exactly )?{_AUXILIARY}|$)")),
    ("who_when", re.compile(r"(?:(?:to|by|for|with|from|of|in) )?(?:who|whom|whose|who's)\b")),
    ("which", re.compile(r"(?:[a-z]+ ){0,2}which\b")),
    ("what", re.compile(r"(?:[a-z]+ ){0,2}what(?:'s)?\b")),
)
_ANYWHERE = re.compile(r"\b(?:how (many|much)|(what|which|where|who|whom|whose|when|why|how))\b")
_WITHIN = {"whom": "who_when", "whose": "who_when", "who": "who_when", "when": "who_when"}

_OPTION = re.compile(r"(?:^|[\s:;,])(?:\(([a-h1-8])\)|([a-h1-8])[.):])(?=\s*\S)")
_POLITE = re.compile(r"(?:please )?(?:can|could|would|will) you (?:please |kindly |help me )?")
_TELLING = re.compile(
    r"(?:please )?(?:tell me|tell us|say|do you know|i wonder|i'd like to know|identify|determine"
    r"|state|answer|explain) (?=what|which|where|who|when|why|how|if|whether)"
)
_PERCEIVING = re.compile(r"(?:see|spot|notice|observe|hear|recogni[sz]e)\b")
_LABEL = re.compile(r"(?:question|q|query|human|user|prompt|instruction|task)? ?\d{0,3} ?[:.)] ")
_LEADING = re.compile(r"(?:and|so|now|then|but|also|well|ok|okay|hi|hello|hey) ")
_BOTH = re.compile(r"\b(?:yes or no|yes/no|yes-no|true or false|true/false)\b")


def form(instruction: str) -> str:
    """The form of an instruction's question, one of `FORMS`.

    Options that are listed make a ``choice``. Else the first sentence that ends in a question mark
    decides, or where none does the first sentence that reads like a question or request. Case,
    white space and image tags are no matter, and of a very long text only the beginning is read.
    """
    text = instruction[:_LONGEST].replace("\u2019", "'").replace("<image>", " ").lower()
    if _lists_options(text):
        return "choice"
    if _BOTH.search(text):
        return "yes_no"
    sentences = _sentences(text)
    asked = [sentence for sentence in sentences if sentence.endswith("?")]
    for sentence in asked:
        found = _of_sentence(sentence.rstrip("? ")) or _of_any_word(sentence)
        if found:
            return found
    return next((found for found in map(_of_sentence, sentences) if found), "other")


def _sentences(text: str) -> list[str]:
    """The sentences of a text, each with its mark at its end; a line's end is one, too."""
    pieces = re.split(r"(?<=[?!.])\s+|\n+|(?<=[\uff1f\u3002])", text)
    return [" ".join(piece.split()) for piece in pieces if piece.strip()]


def _lists_options(text: str) -> bool:
    """Whether two options with marks that follow each other are listed: (a) and (b), 1. and 2."""
    marks = [one or other for one, other in _OPTION.findall(text)]
    return any(ord(after) == ord(before) + 1 for before, after in pairwise(marks))


def _of_sentence(sentence: str) -> str | None:
    """The form of a sentence by how it, or a clause of it, begins."""
    sentence = _LEADING.sub("", _LABEL.sub("", sentence, count=1), count=1)
    polite = _POLITE.match(sentence)
    if polite and not _PERCEIVING.match(sentence, polite.end()):
        sentence = sentence[polite.end() :]
        if not _TELLING.match(sentence):
            return "request"
    sentence = _TELLING.sub("", sentence, count=1)
    if _REQUEST.match(sentence):
        return "request"
    for clause in re.split(r"[,:;] ?", sentence):
        clause = clause.strip(" \"'.!(")
        for name, start in _STARTS:
            if start.match(clause):
                return name
        if re.match(_AUXILIARY + r"|(?:if|whether)\b(?=.*\bor not$)", clause):
            return "choice" if _alternative(sentence) else "yes_no"
    return None


def _alternative(sentence: str) -> bool:
    """Whether it asks which of two; "is there a cat or a dog" asks for a yes."""
    return " or " in sentence and not re.search(r"\b(?:there|any|either|or not)\b", sentence)


def _of_any_word(sentence: str) -> str | None:
    found = _ANYWHERE.search(sentence)
    if found is None:
        return None
    return "how_many" if found[1] else _WITHIN.get(found[2], found[2])
