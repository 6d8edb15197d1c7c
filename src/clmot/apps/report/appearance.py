"""What the boxes of tracks look like, as vectors, and how much of each box can be seen."""

from __future__ import annotations

import contextlib

import numpy as np

from clmot import boxes as box
from clmot.apps.report.results import Results
from clmot.evaluation.baselines import histogram_embedding
from clmot.io.frame_source import FrameSource
from clmot.io.progress import progress_bar
from clmot.structures import Embed, Float32Array, Image

_MOST_BOXES = 60_000
"""Where there are more, every so many frames are looked at."""
_DIMENSIONS = 128
"""Colour histograms are projected to so many numbers at random, which keeps their distances."""


def read_appearance(
    results: Results, source: FrameSource, embed: Embed | None = None, *, progress: bool = True
) -> Float32Array:
    """Unit vectors of the boxes, less what all have in common: float32 [n, d], zeros for boxes not looked at.

    Args:
        results: the tracks; row i of the answer is about row i of `Results.rows`.
        source: the video.
        embed: as `clmot.Model.embed`; by default colour histograms of stripes.
        progress: show a progress bar on standard error.

    Raises:
        UserError: the video cannot be read.
    """
    rows = results.rows
    every = -(-len(rows) // _MOST_BOXES)
    wanted = set(results.frames[::every].tolist())
    order = np.argsort(rows.frame, kind="stable")
    frames = rows.frame[order]
    found: Float32Array | None = None
    with progress_bar(progress) as bar, contextlib.closing(iter(source)) as images:
        task = bar.add_task(f"{results.name}: appearance", total=source.length, note="")
        for number, image in images:
            bar.update(task, advance=1)
            if number > results.frames[-1]:
                break
            if number not in wanted:
                continue
            mine = order[slice(*frames.searchsorted([number, number + 1]))]
            vectors = (embed or _colours)(image, rows.xyxy[mine])
            if found is None:
                found = np.zeros((len(rows), vectors.shape[1]), np.float32)
            found[mine] = vectors
    if found is None:
        return np.zeros((len(rows), 1), np.float32)
    seen = found.any(axis=1)
    found[seen] -= found[seen].mean(axis=0)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)


def visibility(results: Results) -> Float32Array:
    """What share of each box no other box of its frame covers, by the most that one covers: float32 [n]."""
    rows = results.rows
    shown = np.ones(len(rows), np.float32)
    order = np.argsort(rows.frame, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(rows.frame[order])) + 1):
        if len(mine) > 1:
            boxes = rows.xyxy[mine].astype(np.float64)
            side = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(boxes[:, None, :2], boxes[:, :2])
            covered = np.clip(side, 0, None).prod(axis=-1) / box.area(boxes)[:, None]
            np.fill_diagonal(covered, 0)
            shown[mine] = 1 - covered.max(axis=1)
    return shown


def _colours(image: Image, boxes: Float32Array) -> Float32Array:
    histograms = histogram_embedding(image, boxes)
    return np.asarray(histograms @ _projection(histograms.shape[1]), np.float32)


def _projection(length: int) -> Float32Array:
    drawn = np.random.default_rng(0).standard_normal((length, _DIMENSIONS))
    return np.asarray(drawn / np.sqrt(_DIMENSIONS), np.float32)
