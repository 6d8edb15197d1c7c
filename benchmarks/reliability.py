"""The campaign: what is killed, written to full disks, changed, hostile, long or there twice, and what came of it.

    python benchmarks/reliability.py [--minutes N] [--only KIND ...] [--json FILE] [--seed S]

Each row is what was tried, how often, and what failed, with what tries it again. docs/reliability.md has the last one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

from campaign.fuzz import fuzz
from campaign.moments import at_every_moment

from clmot._version import __version__

KINDS = ("fuzz", "moments")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="of moments; what is left out is said")
    parser.add_argument("--executions", type=int, default=200_000, help="of files that are changed")
    parser.add_argument("--only", nargs="*", default=KINDS, help="fuzz, moments, names of entrances or of commands")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    names = [name for name in given.only if name not in KINDS]
    table = []
    if "fuzz" in given.only:
        table += fuzz(given.executions, given.seed, given.keep, names)
    if "moments" in given.only:
        table += at_every_moment(given.seed, time.monotonic() + 60 * given.minutes, names)
    tried, failed = sum(each.attempts for each in table), sum(len(each.failures) for each in table)
    print(f"{tried:,} attempts, {failed} failures, seed {given.seed}")
    if given.json:
        rows = [dataclasses.asdict(each) for each in table]
        given.json.write_text(json.dumps({"clmot": __version__, "seed": given.seed, "table": rows}, indent=2) + "\n")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
