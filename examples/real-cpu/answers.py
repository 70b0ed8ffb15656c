"""The first answer of each cell of a run, as a Markdown table: nobody has picked them.

python answers.py run
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

LONGEST = 110


def main() -> None:
    """Print a row per model of the grid and evaluation part: the sample with the smallest uid."""
    run = Path(sys.argv[1])
    answers = pl.read_parquet(run / "results/answers.parquet").filter(split="evaluation")
    models = pl.read_parquet(run / "results/dq.parquet")["dataset"].to_list()
    print("| tuned on | asked | instruction | response | answer | mq |\n|---|---|---|---|---|---:|")
    for tuned_on in models:
        for asked in models:
            cell = answers.filter(model=tuned_on, dataset=asked).sort("uid", "turn")
            row = cell.row(0, named=True)
            turn = _turn(run, asked, row["uid"], row["turn"])
            texts = [turn["instruction"], turn["response"], row["answer"]]
            shown = " | ".join(_cell(text) for text in texts)
            print(f"| {tuned_on} | {asked} | {shown} | {row['mq']:.3f} |")


def _turn(run: Path, dataset: str, uid: str, turn: int) -> dict[str, str]:
    """What the sample says, from a table of its part: a folder may hold those of older settings."""
    files = run.glob(f"split/all/*/{dataset}-evaluation.parquet")
    parts = pl.concat(pl.read_parquet(file, columns=["uid", "turns"]) for file in files)
    turns: list[dict[str, str]] = parts.filter(uid=uid)["turns"][0].to_list()
    return turns[turn]


def _cell(text: str) -> str:
    line = " ".join(text.replace("<image>", "").split()).replace("|", "\\|")
    return line if len(line) <= LONGEST else line[:LONGEST] + " ..."


if __name__ == "__main__":
    main()
