"""The page of `clmot serve`, opened in a browser; a fault of it fails the test."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.chromium import SIZES
from tests.apps.serve.serving import rows, write_video

EXPECTED = re.compile("ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Multiple readback operations")
"""What the console says of a server that ended, and of tests that read pixels."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("numbered") / "street.mp4")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "street.txt").write_text("".join(rows()))
    return tmp_path / "results"


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Opens an address at a size; in the end nothing may have failed, nor anything been asked of another host."""
    said: list[str] = []
    contexts = []

    def opens(address: str, size: str = "desk", scheme: str = "light", boxes: int = 2) -> Any:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda told: None if EXPECTED.search(told.text) else said.append(f"console: {told.text}"))
        page.on("response", lambda sent: said.append(f"{sent.status} {sent.url}") if sent.status >= 400 else None)
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        origin = address.partition("/?")[0]
        page.on(
            "request",
            lambda sent: said.append(sent.url) if not sent.url.startswith((origin, "data:", "blob:")) else None,
        )
        page.goto(address)
        page.wait_for_selector(f'canvas[data-frame="1"][data-boxes="{boxes}"]')
        return page

    yield opens
    for context in contexts:
        context.close()
    assert said == []
