"""Faults that are seeded into the code one at a time: does the suite see each?

`faults.yaml` lists them. The tests that mirror the module run first, then a few of whole ways through the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import yaml

from campaign.table import Table

_ROOT = Path(__file__).parents[2]
_LISTED = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text())
_WIDER = "tests/e2e/test_perfect_detector.py tests/e2e/test_user_stories.py"
_SECONDS = 900


def seeded(until: float, only: Iterable[str], table: Table) -> None:
    """One row for each part of clmot; a fault that no test sees is a failure.

    Args:
        until: `time.monotonic` at which to end.
        only: modules such as ``tracking/kalman``; none for all.
        table: what was tried before is not tried again.
    """
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        skipped = shutil.ignore_patterns("__pycache__", ".git", ".venv", "site", ".*_cache", "shared")
        shutil.copytree(_ROOT, tree, ignore=skipped)
        for number, (module, what, old, new) in enumerate(_LISTED["faults"]):
            kind = table.kind(f"seeded faults: {module.split('/')[-2] if module.count('/') else module.split('/')[0]}")
            if number in kind.tried or (only and module not in only):
                continue
            if time.monotonic() > until:
                kind.note = "no time for more"
                return
            file = tree / "src" / "clmot" / f"{module}.py"
            whole = file.read_text()
            if whole.count(old) != 1:
                raise SystemExit(f"{module}: {old!r} stands there {whole.count(old)} times")
            file.write_text(whole.replace(old, new))
            mirror = " ".join(f"tests/{each}" for each in _LISTED["tests"][module].split())
            by = next((tests for tests in (mirror, _WIDER) if _fails(tree, tests)), None)
            file.write_text(whole)
            kind.tried.append(number)
            kind.attempts += 1
            if by is None:
                kind.fail(f"{module}, {what}: no test sees it")
            else:
                print(f"  {module}, {what}: seen{'' if by == mirror else ' by ' + by}", flush=True)
            kind.done()
            table.save()


def _fails(tree: Path, tests: str) -> bool:
    """Whether one of the tests does."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "CLMOT_COMPILED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    line = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    try:
        ended = subprocess.run(line, cwd=tree, env=environment, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    if ended.returncode not in (0, 1, 2):
        raise SystemExit(f"{' '.join(line)}: {ended.stdout.decode()[-500:]}{ended.stderr.decode()[-500:]}")
    return ended.returncode > 0
