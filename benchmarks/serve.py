"""How quick `clmot serve` is on a long video: first paint, seeks, memory of the page.

    python benchmarks/serve.py DIR --minutes 30 --tracks 100 --seeks 60

DIR keeps the video and the tracks, which take minutes to make and are made once. A seek is measured in the page, from
the wish to the moment at which the frame and its boxes are on the canvas; frames are drawn at random.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT, RATE = 1920, 1080, 30
SEEK = """(index) => new Promise((done) => {
  const [canvas, scrub] = ["canvas", "scrub"].map((id) => document.getElementById(id));
  const begin = performance.now();
  const wanted = String(index + 1);
  const look = () => {
    if (canvas.dataset.frame === wanted && canvas.dataset.boxes !== "") done(performance.now() - begin);
    else setTimeout(look, 2);
  };
  scrub.value = index;
  scrub.dispatchEvent(new Event("input"));
  look();
})"""


def make_video(path: Path, frames: int) -> None:
    """H.264 as cameras and x264 make it by default: key frames 250 apart, frames out of order; each minute again."""
    minute = path.with_name("minute.mp4")
    with av.open(str(minute), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "superfast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        rng = np.random.default_rng(0)
        ground = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        ground[:HEIGHT] = rng.integers(60, 120, (HEIGHT // 8, WIDTH // 8), np.uint8).repeat(8, 0).repeat(8, 1)
        for number in range(60 * RATE):
            image = ground.copy()
            for walker in range(30):
                left, top = (37 * walker + (2 + walker % 5) * number) % (WIDTH - 40), 30 * walker + 20
                image[top : top + 100, left : left + 40] = 40 + 6 * walker
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="yuv420p")))
        container.mux(stream.encode(None))
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = None
        for again in range(-(-frames // (60 * RATE))):
            with av.open(str(minute)) as given:
                stream = stream or container.add_stream_from_template(given.streams.video[0])
                shift = round(60 * again / given.streams.video[0].time_base)
                for packet in given.demux(video=0):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        container.mux(packet)
    minute.unlink()


def make_tracks(path: Path, frames: int, tracks: int) -> None:
    ids = np.arange(tracks)
    with path.open("w") as file:
        for number in range(1, frames + 1):
            left, top = (53 * ids + (1 + ids % 5) * number) % (WIDTH - 60), 9 * ids % (HEIGHT - 120)
            columns = zip((ids + 1).tolist(), left.tolist(), top.tolist(), strict=True)
            file.write("".join(f"{number},{i},{x},{y},40,100,0.9,-1,-1,-1\n" for i, x, y in columns))


def memory(page: Page) -> tuple[float, float]:
    """MB of JavaScript's heap, and of the page's process (its share of shared pages)."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    heap = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    found = page.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = []
    for each in found:
        if each["type"] == "renderer":
            text = Path(f"/proc/{each['id']}/smaps_rollup").read_text()
            sizes.append(int(text.partition("\nPss:")[2].split()[0]) / 1e3)
    return heap["JSHeapUsedSize"] / 1e6, max(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--tracks", type=int, default=100)
    parser.add_argument("--seeks", type=int, default=60)
    options = parser.parse_args()
    frames = round(options.minutes * 60 * RATE)
    video = options.folder / f"video-{frames}.mp4"
    results = options.folder / f"results-{frames}-{options.tracks}"
    results.mkdir(parents=True, exist_ok=True)
    if not video.exists():
        make_video(video.with_name("part.mp4"), frames)
        video.with_name("part.mp4").rename(video)
    if not (results / "tracks.txt").exists():
        make_tracks(results / "part", frames, options.tracks)
        (results / "part").rename(results / "tracks.txt")
    begin = time.perf_counter()
    command = [sys.executable, "-m", "clmot", "serve", str(results), "--video", str(video)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        address = server.stdout.readline().strip()
        print(f"server ready after {time.perf_counter() - begin:.1f} s, {frames} frames, {options.tracks} tracks")
        chromium = os.environ.get("CLMOT_CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begin = time.perf_counter()
            page.goto(address)
            page.wait_for_selector('canvas[data-frame="1"]:not([data-boxes=""])')
            shown = time.perf_counter() - begin
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1e3
            print(f"first paint {paint:.2f} s, first frame with boxes {shown:.2f} s")
            rng = np.random.default_rng(1)
            taken = sorted(page.evaluate(SEEK, int(index)) for index in rng.integers(0, frames, options.seeks))
            median, most = statistics.median(taken) / 1e3, taken[int(0.9 * len(taken))] / 1e3
            print(f"seek: median {median:.3f} s, 90 % {most:.3f} s, longest {taken[-1] / 1e3:.3f} s")
            page.keyboard.press(" ")
            page.wait_for_timeout(10_000)
            page.keyboard.press(" ")
            heap, process = memory(page)
            print(f"memory of the page: JavaScript {heap:.0f} MB, process {process:.0f} MB")
            size = int(Path(f"/proc/{server.pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1e3
            print(f"memory of the server: {size:.0f} MB")
            page.keyboard.press("n")
            begin = time.perf_counter()
            page.keyboard.press("s")
            page.get_by_role("status").filter(has_text="Split").first.wait_for()
            print(f"an edit: {time.perf_counter() - begin:.2f} s")
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
