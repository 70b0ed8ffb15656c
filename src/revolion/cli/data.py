"""The commands that need no study: data sets, and files of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from revolion.cli.console import AsJson, app, example, finish, print_json, say, show


@app.command(epilog=example("revolion inspect mix.json more.jsonl --images coco/=/data/coco --all"))
def inspect(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA", help="files, folders of shards or patterns")
    ],
    images: Annotated[
        list[str] | None,
        typer.Option(help="image root, or BEGINNING=ROOT, repeatable; default: DATA's folder"),
    ] = None,
    format: Annotated[str | None, typer.Option(help="the layout; default: found")] = None,
    rows: Annotated[int, typer.Option(min=1, help="look at so many rows, from the first")] = 2000,
    all_rows: Annotated[bool, typer.Option("--all", help="look at all rows")] = False,
    max_rejects: Annotated[
        str | None, typer.Option(help="exit with 1 if more rows fail: 23, or a share: 0.01, 1%")
    ] = None,
    seed: Annotated[int, typer.Option(help="draws other samples to show")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say what data sets hold, and every kind of row and image that can't be used.

    A data set that can't be read does not keep the others from being looked at.
    """
    from revolion.inspection import inspect_each
    from revolion.report.inspection import inspection
    from revolion.report.progress import bars
    from revolion.roots import roots_of

    with bars() as watch:
        found = inspect_each(
            data,
            max_rejects=max_rejects,
            images=roots_of(images or ()),
            format=format,
            rows=None if all_rows else rows,
            seed=seed,
            watch=watch,
        )
    if as_json:
        print_json(found[0] if len(found) == 1 else {"datasets": found})
    else:
        show(table for one in found if "rows" in one for table in inspection(one))
    for one in found:
        if "error" in one:
            say(f"error: {one['error']}")
    finish(max(one.get("exit_code", 0) for one in found))


@app.command(epilog=example("revolion convert data/llava.json data/llava.parquet --to onevision"))
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="an annotation file, or shards")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the file to write")],
    to: Annotated[str, typer.Option(help="the layout to write")],
    format: Annotated[
        str | None, typer.Option("--from", help="IN's layout; default: found")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="image root; default: IN's folder")] = None,
    minus: Annotated[
        list[Path] | None, typer.Option(help="leave out what this data set holds, too; repeatable")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a data set in another layout, and say what was rejected and what could not come along.

    Images that IN holds itself become files in OUT-images/ where the layout names them by path.
    """
    from revolion.converting import convert as convert_file
    from revolion.report.overview import converted
    from revolion.report.progress import bars
    from revolion.scheduling import Progress

    with bars() as watch:

        def note(rows: int) -> None:
            watch([Progress("rows", rows, 0)])

        found = convert_file(
            source, out, to, format=format, images=images, minus=minus or (), progress=note
        )
    print_json(found) if as_json else show(converted(found))


@app.command(
    epilog=example("revolion score pairs.jsonl --to scores.parquet", "revolion score a.txt b.txt")
)
def score(
    answers: Annotated[
        Path, typer.Argument(metavar="ANSWERS", help="JSON(L), Parquet, CSV, TSV, text or -")
    ],
    references: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[REFERENCES]...",
            help="rows with the ids of the answers, COCO annotations, or texts line by line",
        ),
    ] = None,
    answer: Annotated[str, typer.Option(help="column of the answers")] = "answer",
    reference: Annotated[str, typer.Option(help="column of a text or a list")] = "reference",
    id: Annotated[str, typer.Option(help="column of ids")] = "id",
    by: Annotated[str | None, typer.Option(help="column of groups to take MQ of, too")] = None,
    sample: Annotated[
        str | None, typer.Option(help="column of the samples that answers are turns of, for --by")
    ] = None,
    tokenizer: Annotated[str, typer.Option(help="ptb | none")] = "ptb",
    preset: Annotated[str, typer.Option(help="six | families")] = "six",
    meteor: Annotated[str, typer.Option(help="full | exact+stem")] = "full",
    threads: Annotated[int | None, typer.Option(min=1, help="default: all processors")] = None,
    to: Annotated[Path | None, typer.Option(help="write each pair's: .parquet | .jsonl")] = None,
    replicates: Annotated[int, typer.Option(min=100, help="of the bootstrap")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Score answers against references: BLEU, METEOR, ROUGE-L and MQ, with 95 % intervals."""
    from revolion.rating import rate
    from revolion.report.overview import scored
    from revolion.report.progress import bars
    from revolion.scheduling import Progress
    from revolion.settings import MetricSettings
    from revolion.sources import Columns, read_pairs
    from revolion.studyfile import checked

    given = {"tokenizer": tokenizer, "preset": preset, "meteor": meteor}
    settings = checked(MetricSettings, given, "revolion score")
    pairs = read_pairs(answers, references or (), Columns(answer, reference, id, by, sample))
    with bars() as watch:
        found = rate(
            pairs,
            settings,
            threads=threads,
            to=to,
            replicates=replicates,
            grouped=by is not None,
            progress=lambda done: watch([Progress("score", done, 0)]),
        )
    print_json(found) if as_json else show(scored(found))
