"""The campaign: what is killed, written to full disks, changed, hostile, long or there twice, and what came of it.

    python benchmarks/reliability.py [--minutes N] [--only KIND ...] [--json FILE] [--seed S]

Each row is what was tried, how often, and what failed, with what tries it again. docs/reliability.md has the last one.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from campaign.faults import seeded
from campaign.fuzz import fuzz
from campaign.long import long
from campaign.moments import at_every_moment
from campaign.races import race
from campaign.table import Table

KINDS = ("fuzz", "moments", "faults", "long", "races")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="of all but fuzzing; what is left out is said")
    parser.add_argument("--executions", type=int, default=200_000, help="of files that are changed")
    parser.add_argument(
        "--moments", type=int, default=100, help="of each command at which it is ended, and half of them"
    )
    parser.add_argument(
        "--only", nargs="*", default=KINDS, help=f"{', '.join(KINDS)}, names of entrances or of commands"
    )
    parser.add_argument("--races", type=int, default=20, help="of each command with itself")
    parser.add_argument("--frames", type=int, default=1_000_000, help="of the longest run of a tracker")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    parser.add_argument("--json", type=Path, help="the table; moments that are in it already are not tried again")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    names = [name for name in given.only if name not in KINDS]
    table = Table(given.json, given.seed)
    if "fuzz" in given.only:
        fuzz(given.executions, given.seed, given.keep, names, table)
    if "long" in given.only:
        long(given.frames, given.seed, table)
    until = time.monotonic() + 60 * given.minutes
    if "faults" in given.only:
        seeded(until, names, table)
    if "races" in given.only:
        race(given.races, given.seed, until, names, table)
    if "moments" in given.only:
        half = given.moments // 2
        shares = {"killed": half, "terminated": half, "disk full": half // 2, "read-only": half // 4}
        shares["permission denied"] = half - half // 2 - half // 4
        at_every_moment(given.seed, until, names, shares, shares, table)
    table.save()
    tried, failed = sum(each.attempts for each in table.kinds), sum(len(each.failures) for each in table.kinds)
    print(f"{tried:,} attempts, {failed} failures, seed {given.seed}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
