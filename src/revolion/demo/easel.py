"""One data set on its way to disk: fresh samples, and the same samples with planted defects."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from revolion import defects
from revolion.demo.abilities import ABILITIES, Told
from revolion.demo.defects import choose, swap
from revolion.demo.drawing import draw_scene
from revolion.digests import seed_of
from revolion.samples import Turn
from revolion.splits import is_evaluation


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn sample.

    ``kind`` is its kind of question, ``png`` its image file's bytes, ``defect`` what was planted or
    None, ``original`` the true responses where their text was changed, joined by new lines.
    """

    source_id: str
    kind: str
    png: bytes
    turns: tuple[Turn, ...]
    defect: str | None = None
    original: str | None = None

    @property
    def responses(self) -> defects.Responses:
        """What is answered, turn by turn."""
        return tuple(turn.response for turn in self.turns)

    @property
    def asked(self) -> str:
        """All instructions as one text."""
        return "\n".join(turn.instruction for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Easel:
    """Draws one data set.

    ``name`` of the data set, ``seed`` of the world, ``split_seed`` and ``evaluation_share`` of the
    study that will split it by image.
    """

    name: str
    seed: int
    split_seed: int
    evaluation_share: float

    def fresh(self, number: int) -> Drawn:
        """The data set's sample of a number; it depends on no other sample."""
        told = ABILITIES[self.name](Random(seed_of("demo", self.seed, self.name, number)))
        return Drawn(f"{self.name}-{number:05d}", told.kind, _png(told), told.turns)

    def for_training(self, png: bytes) -> bool:
        """Whether an image with these bytes lands on the train side."""
        group = hashlib.sha256(png).hexdigest()
        return not is_evaluation(group, self.split_seed, self.evaluation_share)

    def spoil(self, samples: Sequence[Drawn], noise: float, kinds: Sequence[str]) -> list[Drawn]:
        """The samples in the same order, a share of those on the train side with a defect.

        Raises SettingsError as `choose` does.
        """
        train = {one.source_id: one for one in samples if self.for_training(one.png)}
        chosen = choose(list(train), share=noise, kinds=kinds, dataset=self.name, seed=self.seed)
        swapped = swap(
            {key: one.responses for key, one in train.items()},
            {key: (one.kind, one.asked) for key, one in train.items()},
            [key for key, kind in chosen.items() if kind == "swapped"],
        )
        return [self._spoilt(one, chosen.get(one.source_id), swapped) for one in samples]

    def _spoilt(
        self, sample: Drawn, defect: str | None, swapped: Mapping[str, defects.Responses]
    ) -> Drawn:
        if defect == "wrong_image":
            return replace(sample, png=self._other_png(sample), defect=defect)
        if defect == "truncated":
            return _with(sample, defect, defects.truncate(sample.responses))
        if defect == "shuffled":
            mixed = defects.shuffle(sample.responses, self.seed, sample.source_id)
            return _with(sample, defect, mixed)
        if defect == "swapped" and sample.source_id in swapped:
            return _with(sample, defect, swapped[sample.source_id])
        return sample

    def _other_png(self, sample: Drawn) -> bytes:
        """Another scene of the same ability, drawn for this sample alone, on the train side too."""
        rng = Random(seed_of("wrong image", self.seed, sample.source_id))
        while True:
            png = _png(ABILITIES[self.name](rng))
            if png != sample.png and self.for_training(png):
                return png


def _with(sample: Drawn, defect: str, responses: defects.Responses) -> Drawn:
    turns = tuple(
        replace(turn, response=response)
        for turn, response in zip(sample.turns, responses, strict=True)
    )
    return replace(sample, turns=turns, defect=defect, original="\n".join(sample.responses))


def _png(told: Told) -> bytes:
    buffer = io.BytesIO()
    draw_scene(told.scene).save(buffer, "PNG")
    return buffer.getvalue()
