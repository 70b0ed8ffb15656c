"""The implementations that `metrics.py` times, by name: each is loaded first and run then.

A peer loads its package when it is asked for, in a process of its own, so that one that is missing
or heavy does not touch the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pairs import Pair

Run = Callable[[list[Pair]], object]


def coco(pairs: Sequence[Pair]) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """References and answers as pycocoevalcap takes them."""
    return {i: r for i, (_, r) in enumerate(pairs)}, {i: [a] for i, (a, _) in enumerate(pairs)}


def every_text(pairs: Sequence[Pair]) -> list[str]:
    """All answers and references."""
    return [text for answer, references in pairs for text in (answer, *references)]


def coco_metric(name: str) -> Run:
    """One of pycocoevalcap's metrics; METEOR's Java starts here and stays."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge

    metric = {"bleu": lambda: Bleu(4), "meteor": Meteor, "rouge_l": Rouge}[name]()
    options = {"verbose": 0} if name == "bleu" else {}
    return lambda pairs: metric.compute_score(*coco(pairs), **options)


def coco_tokens() -> Run:
    """pycocoevalcap's tokenizer, which starts Java for each call."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenizer = PTBTokenizer()
    return lambda pairs: tokenizer.tokenize(
        {i: [{"caption": text}] for i, text in enumerate(every_text(pairs))}
    )


def aac(name: str) -> Run:
    """aac-metrics, which takes all pairs at once."""
    from aac_metrics import functional

    metric = getattr(functional, name)
    return lambda pairs: metric([a for a, _ in pairs], [references for _, references in pairs])


def rouge_score(package: str) -> Run:
    """rouge-score or its Rust twin; several references by the best F1, as both offer."""
    if package == "rouge_score":
        from rouge_score.rouge_scorer import RougeScorer
    else:
        from rouge_score_rs.rouge_scorer import RougeScorer
    scorer = RougeScorer(["rougeL"])
    return lambda pairs: [scorer.score_multi(references, answer) for answer, references in pairs]


def sacre() -> Run:
    """sacrebleu's sentence BLEU."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=True, tokenize="none")
    return lambda pairs: [metric.sentence_score(answer, texts) for answer, texts in pairs]


def nltk_bleu() -> Run:
    """nltk's sentence BLEU, smoothed."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    smooth = SmoothingFunction().method1
    return lambda pairs: [
        sentence_bleu([text.split() for text in texts], answer.split(), smoothing_function=smooth)
        for answer, texts in pairs
    ]


def ours(tokenizer: str, threads: int) -> Run:
    """Every metric of this package in one call."""
    from revolion.metrics import score

    return lambda pairs: score(
        [answer for answer, _ in pairs], [r for _, r in pairs], tokenizer=tokenizer, threads=threads
    )


def our_bleu_and_rouge() -> Run:
    """This package's metrics but METEOR; the formulas take no time beside the counting."""
    from revolion.metrics._native import count

    return lambda pairs: count([a for a, _ in pairs], [r for _, r in pairs], None, False, 1)


def our_tokens() -> Run:
    """This package's tokenizer."""
    from revolion.metrics._native import tokenize_ptb

    return lambda pairs: tokenize_ptb(every_text(pairs), 1)


@dataclass(frozen=True, slots=True)
class Peer:
    """``what`` it computes; ``copies`` of the pairs go into one call; ``raw`` texts or plain ones;
    ``cores`` it may use."""

    what: str
    load: Callable[[], Run]
    copies: int = 1
    raw: bool = False
    cores: int = 1


PEERS = {
    "pycocoevalcap BLEU": Peer("bleu", lambda: coco_metric("bleu")),
    "aac-metrics BLEU": Peer("bleu", lambda: aac("bleu")),
    "sacrebleu BLEU": Peer("bleu", sacre),
    "nltk BLEU": Peer("bleu", nltk_bleu),
    "pycocoevalcap ROUGE-L": Peer("rouge_l", lambda: coco_metric("rouge_l")),
    "aac-metrics ROUGE-L": Peer("rouge_l", lambda: aac("rouge_l")),
    "rouge-score ROUGE-L F1": Peer("rouge_l", lambda: rouge_score("rouge_score")),
    "rouge-score-rs ROUGE-L F1": Peer("rouge_l", lambda: rouge_score("rouge_score_rs"), copies=10),
    "pycocoevalcap METEOR": Peer("meteor", lambda: coco_metric("meteor")),
    "pycocoevalcap tokens": Peer("tokens", coco_tokens, copies=20, raw=True),
    "revolion BLEU and ROUGE-L": Peer("bleu, rouge_l", our_bleu_and_rouge, copies=10),
    "revolion tokens": Peer("tokens", our_tokens, copies=20, raw=True),
    "revolion all three": Peer("all", lambda: ours("none", 1), copies=10),
    "revolion all three, tokenised": Peer("tokenised", lambda: ours("ptb", 1), copies=10, raw=True),
    "revolion, 2 threads": Peer("tokenised", lambda: ours("ptb", 2), 10, raw=True, cores=2),
}
SUMS = {
    "bleu, rouge_l": ("bleu", "rouge_l"),
    "all": ("bleu", "rouge_l", "meteor"),
    "tokenised": ("bleu", "rouge_l", "meteor", "tokens"),
}
"""What is computed in one pass -> its parts, which the peers compute one after the other."""
