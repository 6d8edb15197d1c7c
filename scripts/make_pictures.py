"""Pictures of the documentation: `python scripts/make_pictures.py DEMO`, where `clmot demo --out DEMO` has run.

docs/method.png: the training cycle. docs/tracking.gif: a clip of the demo, by motion and with the embedding.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from PIL import Image as PillowImage

from clmot.apps.demo import MOTION, TRAINED, slug
from clmot.apps.report.results import load_results
from clmot.apps.report.truth import compare_with_truth
from clmot.config import ViewsConfig
from clmot.datasets.readers import read_dataset
from clmot.io.image import read_image
from clmot.io.mot_text import read_mot_text
from clmot.structures import Picture, Sample
from clmot.views.view_pair import make_view_pair
from clmot.visualize.draw import Trails, draw_tracks, track_colour
from clmot.visualize.view_sheets import draw_pair

DOCS = Path(__file__).parents[1] / "docs"
INK, FAINT = "#24292f", "#8b949e"


def main() -> None:
    """Make both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    demo = parser.parse_args().demo
    training_cycle(demo / "scenes" / "stills", DOCS / "method.png")
    moving_picture(demo, DOCS / "tracking.gif")


def moving_picture(demo: Path, out: Path, seconds: float = 8.0, rate: int = 8) -> None:
    """The stretch of a clip with the most switches by motion: left by motion, right with the embedding."""
    best: tuple[int, str, int] = (-1, "", 0)
    switches: dict[tuple[str, str], list[int]] = {}
    clips = demo / "scenes" / "clips"
    for text in sorted((demo / "results" / slug(MOTION)).glob("*.txt")):
        for row in (MOTION, TRAINED):
            results = load_results(demo / "results" / slug(row) / text.name)
            events = compare_with_truth(results, clips).events
            switches[row, text.stem] = [event.frame for event in events if event.kind == "switch"]
        last, frame_rate = int(results.rows.frame.max()), results.frame_rate
        length = min(int(seconds * frame_rate), last - 1)
        for start in range(1, last - length + 1, 10):
            inside = {
                row: sum(start + 10 <= frame < start + length for frame in switches[row, text.stem])
                for row in (MOTION, TRAINED)
            }
            best = max(best, (inside[MOTION] - 2 * inside[TRAINED], text.stem, start))
    _, name, start = best
    images = {sample.frame: sample.image for sample in read_dataset([clips / name]).samples}
    shown = []
    titles = {MOTION: "motion", TRAINED: "label-free embedding"}
    panels = {row: _panel(demo / "results" / slug(row) / f"{name}.txt", switches[row, name]) for row in titles}
    step = round(frame_rate / rate)
    for frame in range(1, start + length):
        image = read_image(images[frame])
        both = [panels[row](image, frame, title) for row, title in titles.items()]
        if frame >= start and (frame - start) % step == 0:
            shown.append(np.concatenate(both, axis=1))
    frames = [PillowImage.fromarray(image).quantize(96, dither=PillowImage.Dither.NONE) for image in shown]
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=1000 // rate, loop=0, optimize=True)


def _panel(text: Path, switches: list[int]) -> Any:
    """Draws a frame's tracks, counts switches and shows each for a second."""
    tracked = {each.frame: each for each in read_mot_text(text)}
    trails = Trails(30)

    def draw(image: np.ndarray, frame: int, title: str) -> np.ndarray:
        canvas = image.copy()
        if frame in tracked:
            trails.update(tracked[frame])
            canvas = draw_tracks(canvas, tracked[frame], trails)
        small = cv2.resize(canvas, (360, round(360 * canvas.shape[0] / canvas.shape[1])), interpolation=cv2.INTER_AREA)
        so_far = sum(each <= frame for each in switches)
        fresh = any(0 <= frame - each < 20 for each in switches)
        bar = np.full((26, 360, 3), 255 if not fresh else (220, 40, 40), np.uint8)
        ink = (255, 255, 255) if fresh else (36, 41, 47)
        cv2.putText(bar, title, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.48, ink, 1, cv2.LINE_AA)
        cv2.putText(bar, f"id switches: {so_far}", (236, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.48, ink, 1, cv2.LINE_AA)
        return np.concatenate([bar, small])

    return draw


def training_cycle(stills: Path, out: Path) -> None:
    """A frame, its two views, the shared network, and what the contrast does to the embeddings."""
    samples = read_dataset([stills]).samples
    sample = max(samples, key=lambda each: len(each.boxes) * (len(each.boxes) <= 6))
    picture = _picture(sample)
    config = ViewsConfig(scale=(0.9, 1.5), rotate=8, colour=1.5, mirror=1.0)
    pair = make_view_pair(picture, picture, config, (384, 224), np.random.default_rng(5))
    first, second = draw_pair(pair)
    figure = Figure(figsize=(11, 4.4), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 110), ylim=(0, 44))
    axes.axis("off")

    for image, (left, bottom), title in (
        (picture.image, (2, 14), "a still, boxes, no identities"),
        (first, (34, 24.5), "view A"),
        (second, (34, 3.5), "view B"),
    ):
        width = 26.0 if image is picture.image else 25.0
        height = width * image.shape[0] / image.shape[1]
        axes.imshow(image, extent=(left, left + width, bottom, bottom + height), zorder=2, aspect="auto")
        axes.text(left, bottom + height + 1, title, color=INK, fontsize=10, va="bottom")
    _arrow(axes, (28.5, 24), (33.5, 31))
    _arrow(axes, (28.5, 20), (33.5, 13))
    axes.text(
        2,
        12.5,
        "each view has its own zoom, crop,\nrotation, mirror, colour and blur",
        color=FAINT,
        fontsize=9,
        va="top",
    )
    axes.add_patch(FancyBboxPatch((64, 14), 14, 15, boxstyle="round,pad=0.6", fc="#eef2f7", ec=INK, zorder=2))
    axes.text(71, 25, "shared network", ha="center", color=INK, fontsize=10)
    axes.text(
        71, 19.5, "encoder, decoder\ncentres, sizes,\nembeddings", ha="center", va="center", color=INK, fontsize=9
    )
    _arrow(axes, (59.5, 31), (63.2, 26))
    _arrow(axes, (59.5, 11), (63.2, 17))
    _arrow(axes, (78.8, 21.5), (83.5, 21.5))
    _embeddings(axes, (96, 21.5), 10.5, pair)
    axes.set(xlim=(0, 110), ylim=(0, 44))
    figure.savefig(out, facecolor="white")


def _embeddings(axes, centre, radius, pair) -> None:
    """Both views' embeddings on a circle: those of one box drawn together, others pushed apart."""
    axes.add_patch(Circle(centre, radius, fill=False, ec=FAINT, lw=1))
    both = np.intersect1d(*(view.object_index[view.object_index >= 0] for view in pair.views))
    places = {}
    for place, number in enumerate(both.tolist()):
        angle = 2 * np.pi * place / len(both) + 0.4
        colour = np.array(track_colour(number)) / 255
        for shift, marker in ((-0.14, "o"), (0.14, "s")):
            x, y = centre[0] + radius * np.cos(angle + shift), centre[1] + radius * np.sin(angle + shift)
            axes.plot(x, y, marker, color=colour, mec=INK, mew=0.6, ms=8, zorder=4)
        places[place] = angle
    first, second = places[0], places[1]
    inner = radius * 0.82
    between = np.linspace(first + 0.25, second - 0.25, 20)
    axes.plot(centre[0] + inner * np.cos(between), centre[1] + inner * np.sin(between), color=FAINT, lw=1)
    for end, step in ((between[0], 0.01), (between[-1], -0.01)):
        start = (centre[0] + inner * np.cos(end + step), centre[1] + inner * np.sin(end + step))
        tip = (centre[0] + inner * np.cos(end - step), centre[1] + inner * np.sin(end - step))
        axes.add_patch(FancyArrowPatch(start, tip, arrowstyle="-|>", mutation_scale=10, color=FAINT))
    axes.text(
        *centre,
        "contrast:\none box, two views: together\nboxes of one frame: apart",
        ha="center",
        va="center",
        color=INK,
        fontsize=8.5,
    )
    axes.text(
        centre[0], centre[1] - radius - 3.2, "circles: view A, squares: view B", ha="center", color=FAINT, fontsize=8
    )


def _arrow(axes, start, end) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=INK, lw=1.2, zorder=1))


def _picture(sample: Sample) -> Picture:
    return Picture(
        image=read_image(sample.image),
        boxes=sample.boxes,
        classes=sample.classes,
        ignore=sample.ignore,
        identities=sample.identities,
        scores=sample.scores,
        object_index=np.arange(len(sample.boxes)),
        frame_index=np.zeros(len(sample.boxes), np.int64),
        sequence_index=np.zeros(len(sample.boxes), np.int64),
    )


if __name__ == "__main__":
    main()
