"""docs/serve.jpg: `python scripts/make_serve_picture.py`; needs Chromium and playwright, takes a minute."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

OUT = Path(__file__).parents[1] / "docs" / "serve.jpg"
CLMOT = [sys.executable, "-m", "clmot"]


def main() -> None:
    """Track a synthetic clip, correct a little, take the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synth = ["--frames", "8", "--clips", "1", "--clip-frames", "150", "--size", "768", "432"]
        subprocess.run([*CLMOT, "data", "synth", folder / "scenes", *synth], check=True)
        clip, results = folder / "scenes" / "clips" / "clip-01", folder / "results"
        subprocess.run([*CLMOT, "track", clip, "--boxes", "gt", "--explain", "--out", results], check=True)
        server = subprocess.Popen([*CLMOT, "serve", results], stdout=subprocess.PIPE, text=True)
        assert server.stdout
        try:
            with sync_playwright() as driver:
                chromium = os.environ.get("CLMOT_CHROMIUM") or shutil.which("chromium")
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(server.stdout.readline().strip())
                page.locator("#queue li").first.wait_for()
                page.keyboard.press("j")
                page.locator("#card h2 .chip").wait_for()
                page.locator("#rename").fill("Ada")
                page.locator("#rename").press("Enter")
                page.locator("#edits li").first.wait_for()
                page.keyboard.press("Escape")
                # who crosses the middle of the picture
                for key in ("l", *["Shift+ArrowUp"] * 12, "Enter", *["Shift+ArrowDown"] * 30, "Enter"):
                    page.keyboard.press(key)
                page.locator("#counts li").first.wait_for()
                page.get_by_label("Name of the line").fill("crossing")
                page.get_by_label("Name of the line").press("Enter")
                page.locator("#edits li").filter(has_text="crossing").first.wait_for()
                page.evaluate("document.activeElement.blur()")
                page.keyboard.press("v")
                page.locator("#queue .reviewed").wait_for()
                page.wait_for_timeout(1500)
                page.screenshot(path=folder / "page.png", full_page=True)
                browser.close()
        finally:
            server.terminate()
            server.wait()
        Image.open(folder / "page.png").convert("RGB").save(OUT, quality=88)


if __name__ == "__main__":
    main()
