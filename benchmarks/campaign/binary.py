"""Valid small arrays, models, images and videos, and the call that reads each."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from campaign.files import SIZE, Entrance, picture, put
from clmot.apps.track.checkpoint import Checkpoint
from clmot.config import Config
from clmot.config.tracker import TrackerConfig
from clmot.inference.export_metadata import Metadata
from clmot.io.image import read_image
from clmot.io.image_size import read_image_size
from clmot.io.named_arrays import write_arrays
from clmot.io.sources import open_source
from clmot.models.saved_model import load_saved_model
from clmot.reid.gallery import Gallery
from clmot.structures import Detections
from clmot.tracking.decisions import read_decisions, write_decisions
from clmot.tracking.tracker import Tracker


def arrays(root: Path) -> Iterator[Entrance]:
    """Files of clmot: states, galleries, models, explanations."""
    folder = root / "arrays"
    folder.mkdir()
    found = Detections(
        xyxy=np.array([[1, 2, 20, 30], [30, 5, 50, 40]], np.float32),
        score=np.array([0.9, 0.8], np.float32),
        class_id=np.zeros(2, np.int64),
        embedding=np.eye(2, 8, dtype=np.float32),
    )
    tracker = Tracker(TrackerConfig())
    for _ in range(3):
        tracker.update(found)
    tracker.save(folder / "t.safetensors")

    def go_on(file: Path) -> None:
        tracker = Tracker.load(file)
        tracker.update(found)

    yield Entrance("tracker state", folder / "t.safetensors", go_on, "safetensors", 2)
    gallery = Gallery()
    gallery.enrol("Ada", np.eye(2, 8, dtype=np.float32))
    gallery.save(folder / "g.safetensors")
    yield Entrance(
        "gallery", folder / "g.safetensors", lambda file: Gallery.load(file).recognise(np.eye(1, 8)), "safetensors", 2
    )
    write_arrays(folder / "u.safetensors", "unfinished tracking", {"tracker/frame": np.arange(3)}, {})
    yield Entrance(
        "unfinished tracking", folder / "u.safetensors", lambda file: Checkpoint(file, 1).read(), "safetensors"
    )
    write_arrays(folder / "m.safetensors", "x", {"a": np.arange(3, dtype=np.float32)}, {})
    from safetensors.numpy import save

    put(
        folder / "model.safetensors",
        save(
            {"a": np.arange(3, dtype=np.float32)},
            {"format": "clmot", "step": "3", "config": "recipe: street\nmodel: {image_size: [64, 64]}\n"},
        ),
    )
    yield Entrance("model (checkpoint)", folder / "model.safetensors", load_saved_model, "safetensors", 2)
    own = Metadata(
        config=Config(), outputs="detections", any_size=False, weights={}, pool=None, fingerprint="ab"
    ).as_strings()
    yield Entrance(
        "ONNX metadata",
        put(folder / "meta.json", json.dumps(own)),
        lambda file: (
            Metadata.from_strings({str(k): str(v) for k, v in json.loads(file.read_bytes()).items()}, file)
            if _is_mapping(file)
            else None
        ),
        "json",
        0.5,
    )
    explained = Tracker(TrackerConfig())
    for _ in range(3):
        explained.update(found, explain=True)
    write_decisions([explained.explained()], folder / "e.npz")
    yield Entrance("explanation (npz)", folder / "e.npz", read_decisions, "bytes", 1)
    np.savez(folder / "plain.npz", **dict(np.load(folder / "e.npz")))
    yield Entrance("explanation (plain npz)", folder / "plain.npz", read_decisions, "bytes", 1)


def _is_mapping(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_bytes()), dict)
    except ValueError:
        return False


def pictures(root: Path) -> Iterator[Entrance]:
    """Images and videos."""
    for suffix in (".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"):
        file = put(root / "pictures" / f"p{suffix}", picture(1, suffix))
        yield Entrance(f"image {suffix}", file, read_image, "bytes", 1)
        yield Entrance(
            f"size of image {suffix}",
            put(root / "sizes" / f"p{suffix}", picture(1, suffix)),
            read_image_size,
            "bytes",
            1,
        )
    (root / "videos").mkdir()
    for suffix in (".mp4", ".avi", ".mkv"):
        file = root / "videos" / f"v{suffix}"
        with av.open(str(file), "w") as target:
            stream = target.add_stream("mpeg4", 10, width=SIZE[0], height=SIZE[1])
            for number in range(5):
                pixels = np.full((*SIZE[::-1], 3), 40 * number, np.uint8)
                target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            target.mux(stream.encode(None))

        def play(file: Path) -> None:
            for source in open_source(file):
                with contextlib.closing(iter(source)) as frames:
                    for _ in itertools.islice(frames, 20):
                        pass

        yield Entrance(f"video {suffix}", file, play, "bytes", 0.1)
