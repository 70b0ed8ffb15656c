"""Foils: samples with the images of others, to tell what a response owes to its own image.

A response that fits any image of its data set as well says nothing about the one it stands with,
and neither does one that was written for another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from revolion.digests import uniform
from revolion.errors import SettingsError
from revolion.samples import ImageRef, Sample


def foil(samples: Sequence[Sample], number: int, *, seed: int) -> list[Sample]:
    """Each sample with images of other samples in the place of its own, as many.

    Arguments: ``samples`` of one part, in any order, their images with digests; ``number`` which
    foil it is, from 0: those of a sample show different images as long as there are enough. The
    others come in an order drawn from ``seed`` and their uids. A sample without images is its own
    foil.

    Raises SettingsError where a sample's images are all that the part shows.
    """
    order = sorted(range(len(samples)), key=lambda at: _draw(samples[at], seed))
    ring = [samples[at].images for at in order]
    found: dict[int, Sample] = {}
    for place, at in enumerate(order):
        sample = samples[at]
        found[at] = sample.with_images(tuple(_others(sample, ring, place, number)))
    return [found[at] for at in range(len(samples))]


def _draw(sample: Sample, seed: int) -> tuple[float, str]:
    return uniform("foil", seed, sample.uid), sample.uid


def _others(
    sample: Sample, ring: Sequence[Sequence[ImageRef]], place: int, number: int
) -> Iterator[ImageRef]:
    """The images of the samples that come next in the ring, without the sample's own."""
    due, own = len(sample.images), {image.sha256 for image in sample.images}
    if not due:
        return iter(())
    following = (ring[(place + step) % len(ring)] for step in range(1, len(ring)))
    strange = (image for image in chain.from_iterable(following) if image.sha256 not in own)
    wanted = list(islice(strange, (number + 1) * due))
    if not wanted:
        raise SettingsError(
            f"sample {sample.uid}: the part shows no image but its own, so none can stand in its"
            " place; leave 'grounding' out of quality.measures, or the data set out of the study"
        )
    start = number * due
    return (wanted[at % len(wanted)] for at in range(start, start + due))
