"""Which language a text is in, where it is long enough to tell.

The answer is py3langid's, a naive Bayes over byte sequences whose model comes with the package. It
names a language for anything, `yes` and `12` included, so its own probability decides whether that
counts. At 0.7, of 2,000 English texts cut to so many words, at most 0.1 % get a wrong name at any
length; no single word gets one, and 93 % at two words, 43 % at four, 10 % at six and 1 % at ten are
undetermined (`bench/languages.py`, captions of COCO and answers of PuzzleVQA).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

UNDETERMINED = "undetermined"
"""Too short to tell, of mixed languages, or no language: numbers, names, code."""

SURE = 0.7
"""The least probability, of all languages that are told apart, that counts as an answer."""

LOOKED_AT = 100
"""Characters from a text's start that decide; more of them change nothing but the time."""

_NO_LANGUAGE = "zxx"


def language(text: str) -> str:
    """The two-letter code (ISO 639-1) of the text's language, or `UNDETERMINED`."""
    return _language(text[:LOOKED_AT])


@lru_cache(maxsize=1 << 16)
def _language(text: str) -> str:
    found, sure = _identifier().classify(text)
    return str(found) if sure >= SURE and found != _NO_LANGUAGE else UNDETERMINED


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # a second, and 100 MB of memory

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Without the codes of three letters: Wu beside Chinese halves the certainty of either.
    two = [label for label in identifier.labels if len(label) == 2]
    identifier.set_languages([*two, _NO_LANGUAGE])
    return identifier
