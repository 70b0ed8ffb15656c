"""Every export of a small finished study, for other people's loaders to load.

What the study itself says of its models is left beside them: `summary.json`, `answers.parquet`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import revolion
from revolion.exporting import LAYOUTS, export

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests import odd_rows
from tests.conftest import build_tiny_base


def main(folder: Path) -> None:
    """Run the study below the folder and leave every layout in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    summary = revolion.run(odd_rows.make(folder / "data"), folder / "run")
    for layout in LAYOUTS:
        by_path = layout in ("llava", "messages", "trl", "llamafactory")
        export(folder / "run", summary, layout, None, folder / layout, copy_images=by_path)
    for file in ("summary.json", "answers.parquet"):
        shutil.copy(folder / "run" / "results" / file, folder / file)
    build_tiny_base(folder / "tiny-llava")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
