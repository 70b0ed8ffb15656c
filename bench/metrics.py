"""The metrics' speed beside their peers': the same pairs, one run, a process and one core each.

    make bench
    python bench/metrics.py
    python bench/metrics.py --pipeline 20000

Rates are pairs per CPU second, Java's included. Start-up (imports, loading of data, METEOR's Java)
is not counted, but for pycocoevalcap's tokenizer, which starts Java for each call, here of 3,000 to
12,000 pairs. ``--pipeline`` takes a file of long pairs to a file of scores by the wall clock, as
people run it. Peak memory is the process's and Java's together. The table is printed and written
into ``bench/results``. A peer that is not installed is named and left out. The texts are made by
`pairs.py`, the implementations named in `peers.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pairs import KINDS, make_pairs, plain
from peers import PEERS, SUMS, coco_metric

RESULTS = Path(__file__).with_name("results")
PACKAGES = ("pycocoevalcap", "aac-metrics", "rouge-score", "rouge-score-rs", "sacrebleu", "nltk")
THREADS = ("revolion all three, tokenised", "revolion, 2 threads")


def live_children() -> list[Path]:
    """The /proc folders of processes this one has started and that still run."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [Path("/proc", child) for task in tasks for child in task.read_text().split()]


def cpu_seconds() -> float:
    """CPU time of this process, of its finished children and of those that run."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    finished = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    stats = [(c / "stat").read_text().rpartition(")")[2].split() for c in live_children()]
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
    return finished + ticks / os.sysconf("SC_CLK_TCK")


def peak_megabytes() -> float:
    """Peak memory of this process and of the children, those at work and the largest that ended."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    for folder in (Path("/proc/self"), *live_children()):
        lines = (folder / "status").read_text().splitlines()
        peak += next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return peak / 1024


def measure(name: str, kind: str, seed: int, seconds: float) -> dict[str, float]:
    """One peer on pairs of one kind, again and again, in a process of its own."""
    peer = PEERS[name]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: peer.cores])
    pairs = make_pairs(KINDS[kind], seed)
    pairs = (pairs if peer.raw else plain(pairs)) * peer.copies
    run = peer.load()
    run(pairs[:100])
    passes, begun, begun_wall = 0, cpu_seconds(), time.perf_counter()
    while passes == 0 or cpu_seconds() - begun < seconds:
        run(pairs)
        passes += 1
    wall, cpu = time.perf_counter() - begun_wall, cpu_seconds() - begun
    done = passes * len(pairs)
    return {"rate": done / cpu, "wall_rate": done / wall, "megabytes": peak_megabytes()}


def coco_pipeline(file: Path) -> None:
    """pycocoevalcap's whole way, to a file of scores beside ``file``."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    rows = [json.loads(line) for line in file.read_text().splitlines()]
    tokenizer = PTBTokenizer()
    captions = {row["id"]: [{"caption": row["answer"]}] for row in rows}
    answers = tokenizer.tokenize(captions)
    captions = {row["id"]: [{"caption": row["reference"]}] for row in rows}
    references = tokenizer.tokenize(captions)
    pairs = [(answers[row["id"]][0], references[row["id"]]) for row in rows]
    values = {name: coco_metric(name)(pairs) for name in SUMS["all"]}
    scores = dict(zip((f"bleu_{n}" for n in (1, 2, 3, 4)), values["bleu"][1], strict=True))
    scores |= {name: list(values[name][1]) for name in ("meteor", "rouge_l")}
    file.with_suffix(".coco.json").write_text(json.dumps(scores))


def pipeline(number: int, seed: int) -> dict[str, float]:
    """Wall seconds from a JSONL file to scores, both ways, and the largest difference."""
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="revolion-bench-") as folder:
        file, table = Path(folder, "pairs.jsonl"), Path(folder, "scores.parquet")
        rows = enumerate(make_pairs(KINDS["long"], seed, number))
        keys = ("id", "answer", "reference")
        lines = [json.dumps(dict(zip(keys, (str(i), a, r[0]), strict=True))) for i, (a, r) in rows]
        file.write_text("\n".join(lines) + "\n")
        command = [sys.executable, "-m", "revolion", "score", file, "--to", table, "--json"]
        ours_seconds = timed(command)
        theirs_seconds = timed([sys.executable, __file__, "--coco-pipeline", file])
        found, expected = (
            pl.read_parquet(table),
            json.loads(file.with_suffix(".coco.json").read_text()),
        )
        gaps = [(found[name] - pl.Series(values)).abs().max() for name, values in expected.items()]
    return {
        "pairs": number,
        "revolion": ours_seconds,
        "pycocoevalcap": theirs_seconds,
        "largest_difference": max(float(gap) for gap in gaps),
    }


def timed(command: Sequence[object]) -> float:
    """Wall seconds of a command. Raises CalledProcessError if it fails."""
    begun = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - begun


def measured(arguments: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Rates and memory by kind and peer, a process each; those not installed are missing."""
    table: dict[str, dict[str, dict[str, float]]] = {kind: {} for kind in arguments.kinds}
    options = ["--seed", str(arguments.seed), "--seconds", str(arguments.seconds)]
    for kind in table:
        for name in PEERS:
            command = [sys.executable, __file__, "--one", name, "--kinds", kind, *options]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            else:
                table[kind][name] = json.loads(done.stdout.splitlines()[-1])
                print(f"{kind:7} {name:30} {table[kind][name]['rate']:10,.0f}/s", file=sys.stderr)
    return table


def theirs(rates: dict[str, dict[str, float]], what: str) -> float | None:
    """pycocoevalcap's pairs per CPU second, of one metric or of all one after the other."""
    names = {peer.what: name for name, peer in PEERS.items() if name.startswith("pycocoevalcap")}
    parts = [names[part] for part in SUMS.get(what, (what,))]
    if any(part not in rates for part in parts):
        return None
    return 1 / sum(1 / rates[part]["rate"] for part in parts)


def as_markdown(result: dict[str, Any]) -> str:
    """The results as tables."""
    lines = [f"{result['machine']}; " + ", ".join(result["versions"]), ""]
    lines += ["| pairs | implementation | pairs per CPU second | by the clock | pycocoevalcap = 1"]
    lines[-1] += " | peak MB |"
    lines.append("|---|---|--:|--:|--:|--:|")
    for kind, rates in result["rates"].items():
        for name, found in rates.items():
            base = theirs(rates, PEERS[name].what)
            ratio = f"{found['rate'] / base:,.1f}" if base else ""
            lines.append(
                f"| {kind} | {name} | {found['rate']:,.0f} | {found['wall_rate']:,.0f} | {ratio}"
                f" | {found['megabytes']:,.0f} |"
            )
    for kind, rates in result["rates"].items():
        one, two = (rates.get(name) for name in THREADS)
        if one and two:
            lines += ["", f"Two threads on {kind} pairs: {two['wall_rate'] / one['wall_rate']:.2f}"]
            lines[-1] += " times as many by the clock as one."
    if run := result.get("pipeline"):
        lines += ["", f"From a file of {run['pairs']:,} long pairs to a file of scores: revolion"]
        lines[-1] += f" {run['revolion']:.1f} s, pycocoevalcap {run['pycocoevalcap']:.0f} s,"
        lines[-1] += f" largest difference of a value {run['largest_difference']:.1e}."
    return "\n".join(lines) + "\n"


def machine() -> str:
    """The processor's name and how many there are."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} x {(names or [platform.machine()])[0]}"


def versions() -> list[str]:
    """What was measured."""
    found = [f"Python {platform.python_version()}"]
    for package in ("revolion", *PACKAGES):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seconds", type=float, default=3.0, help="CPU seconds a measurement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pipeline", type=int, default=0, metavar="PAIRS", help="e.g. 20000")
    parser.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--coco-pipeline", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.coco_pipeline:
        return coco_pipeline(arguments.coco_pipeline)
    if arguments.one:
        kind, seconds = arguments.kinds[0], arguments.seconds
        return print(json.dumps(measure(arguments.one, kind, arguments.seed, seconds)))
    result: dict[str, Any] = {"machine": machine(), "versions": versions()}
    result |= {"seed": arguments.seed, "rates": measured(arguments)}
    if arguments.pipeline:
        result["pipeline"] = pipeline(arguments.pipeline, arguments.seed)
    RESULTS.mkdir(exist_ok=True)
    RESULTS.joinpath("metrics.json").write_text(json.dumps(result, indent=1) + "\n")
    RESULTS.joinpath("metrics.md").write_text(as_markdown(result))
    print(as_markdown(result))
    return None


if __name__ == "__main__":
    main()
