"""Foils: samples shown with the images of others."""

from __future__ import annotations

import pytest

from revolion.errors import SettingsError
from revolion.foils import foil
from revolion.samples import ImageRef, Sample, Turn


def sample(name: str, *images: str) -> Sample:
    refs = tuple(ImageRef(f"{image}.png", image * 64) for image in images)
    return Sample("d", 0, None, refs, (Turn("What is it?", name),), None, {}, "root")


SAMPLES = [sample(f"thing {image}", image) for image in "abcdefgh"]


def shown(some: list[Sample]) -> list[tuple[str, ...]]:
    return [tuple(image.path for image in one.images) for one in some]


def test_every_foil_shows_other_images_and_says_the_same() -> None:
    foils = [foil(SAMPLES, number, seed=3) for number in range(7)]
    for number, one in enumerate(SAMPLES):
        seen = {some[number].images for some in foils}
        assert len(seen) == 7, "as long as there are others, each foil shows another"
        assert one.images not in seen
        assert all(some[number].turns == one.turns for some in foils)
        assert all(some[number].root == one.root for some in foils)


def test_they_come_from_the_seed_and_not_from_the_order() -> None:
    found = dict(zip((one.uid for one in SAMPLES), shown(foil(SAMPLES, 0, seed=3)), strict=True))
    turned = SAMPLES[::-1]
    assert found == dict(
        zip((one.uid for one in turned), shown(foil(turned, 0, seed=3)), strict=True)
    )
    assert shown(foil(SAMPLES, 0, seed=4)) != shown(foil(SAMPLES, 0, seed=3))


def test_as_many_images_as_its_own_and_none_of_them() -> None:
    some = [sample("pair", "a", "b"), sample("one", "a"), sample("two", "c"), sample("three", "d")]
    found = shown(foil(some, 0, seed=0))
    assert sorted(found[0]) == ["c.png", "d.png"]
    assert len(found[1]) == 1
    assert found[1] != ("a.png",)


def test_too_few_others_come_again() -> None:
    some = [sample("pair", "a", "b"), sample("one", "c")]
    assert shown(foil(some, 0, seed=0))[0] == ("c.png", "c.png")
    assert shown(foil(some, 3, seed=0))[0] == ("c.png", "c.png")


def test_a_sample_without_images_is_its_own_foil() -> None:
    bare = sample("nothing")
    assert foil([bare, *SAMPLES], 0, seed=0)[0] == bare


def test_a_part_of_one_image_is_an_error_with_a_cure() -> None:
    message = "the part shows no image but its own.*leave 'grounding' out of quality.measures"
    with pytest.raises(SettingsError, match=message):
        foil([sample("x", "a"), sample("y", "a")], 0, seed=0)
