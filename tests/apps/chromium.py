"""A real browser for tests of pages: Chromium, driven by playwright; and what of a page it cannot read out."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CLMOT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium, or CLMOT_CHROMIUM=FILE")
SIZES = {"desk": (1280, 900), "phone": (400, 800)}


def accessibility_faults(page: Any) -> list[tuple[str, str]]:
    """What axe-core calls serious or worse, each with the element."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    # the page's policy forbids other code, axe's too, unless it comes through the debugger
    page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [(each["id"], each["nodes"][0]["html"][:80]) for each in found if each["impact"] in ("serious", "critical")]
