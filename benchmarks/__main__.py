"""Runs the benchmarks and writes their tables: python3 -m benchmarks [--help]."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import conditions
from benchmarks.extensions import BuildError, build
from benchmarks.parts import PARTS
from benchmarks.processes import RunError
from benchmarks.profilers import INTERPROBE, PEERS
from benchmarks.session import Session
from benchmarks.tables import MarkerError, between_markers

_FOLDER = Path(__file__).parent
RESULTS = _FOLDER / "results.json"
PAGE = _FOLDER / "README.md"


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status is 1 where a run failed."""
    options = _options(words)
    began = time.monotonic()
    missing = INTERPROBE.missing()
    if missing is not None:
        print(f"The benchmarks cannot run: {missing}.", file=sys.stderr)
        return 1
    try:
        built, left_out = build()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    peers = () if options.no_peers else PEERS
    session = Session(built, (INTERPROBE, *peers), options.quick, not options.no_callgrind)
    for sentence in left_out:
        session.say(sentence)
    results: dict[str, Any] = {}
    for part in PARTS:
        if options.only and part.NAME not in options.only:
            continue
        made = conditions.conditions(options.quick)
        try:
            results[part.NAME] = {"conditions": made, "figures": part.measure(session)}
            # A look is no record: it replaces neither the tables nor the figures.
            if not options.quick:
                _write(results)
        except (RunError, MarkerError) as error:
            session.say(f"The benchmark {part.NAME} failed: {error}.")
            return 1
    if options.quick:
        print(draw(results))
    session.say(f"Done in {time.monotonic() - began:.0f} s.")
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m benchmarks",
        description="Measure what interprobe costs, beside plain Python and other profilers, and"
        " write the tables into benchmarks/README.md and the figures into benchmarks/results.json.",
    )
    names = [part.NAME for part in PARTS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME",
        help=f"run one benchmark and keep the others' figures; may be repeated: {', '.join(names)}",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="few repeats; print the tables and write nothing"
    )
    parser.add_argument("--no-peers", action="store_true", help="measure interprobe alone")
    parser.add_argument("--no-callgrind", action="store_true", help="count no instructions")
    return parser.parse_args(words)


def draw(results: dict[str, Any]) -> str:
    """All tables as Markdown, from what stands in results.json."""
    sections = []
    for part in PARTS:
        if part.NAME in results:
            measured = results[part.NAME]
            made = conditions.in_words(measured["conditions"])
            sections.append(f"### {part.TITLE}\n\n{part.draw(measured['figures'])}\n{made}")
    return "\n".join(sections)


def _write(measured: dict[str, Any]) -> None:
    """Put new figures beside those that are kept, and draw all of them."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = kept | measured
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(between_markers(PAGE.read_text(), draw(results)))


if __name__ == "__main__":
    sys.exit(main())
