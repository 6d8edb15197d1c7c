"""What is measured of a method or a reference, sequence by sequence."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clmot.apps.track.detection import finder_of
from clmot.apps.track.detection_store import find_once
from clmot.apps.track.pipeline import track
from clmot.apps.track.result_folder import model_facts
from clmot.config.tracker import TrackerConfig
from clmot.datasets.readers import read_dataset
from clmot.datasets.splits import second_half
from clmot.evaluation.appearance_only import best_association
from clmot.evaluation.embedding import EmbeddedSequence, embed_sequences, embedding_scores
from clmot.evaluation.mot import evaluate
from clmot.inference.model import Model
from clmot.io.frame_choice import FrameChoice, Part
from clmot.io.mot_sequences import read_sequence_info
from clmot.io.sources import open_source
from clmot.structures import Embed

GAP = 1.0
"""Least distance in seconds between the frames that embeddings are compared across."""

RATES = ("TPR@FAR=0.1", "TPR@FAR=0.01", "TPR@FAR=0.001")
SHARES = ("rank-1", "mAP", *RATES)
MEAN_SUBTRACTED = {name: f"{name}, mean-subtracted" for name in SHARES}
"""The same scores after online mean subtraction, as the tracker does it."""
ASSOCIATION = "IDF1, appearance only"
TRACKING = ("HOTA", "IDF1", "MOTA", "IDSW", "MOTP", "MT", "ML")
BY_MOTION, TRUE_BOXES, TRUE_BOXES_BY_MOTION = "by motion", "true boxes", "true boxes by motion"
_WAYS = (("", True, None), (BY_MOTION, False, None), (TRUE_BOXES, True, "gt"), (TRUE_BOXES_BY_MOTION, False, "gt"))
"""Name, whether appearance counts, and whose boxes where they are not the detections."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured on one sequence.

    Attributes:
        scores: by name; shares in [0, 1], IDF1, HOTA and MOTA in percent. What could not be measured is left out.
        identities: of each identity the boxes that can be found again and how many are, at rank 1.
    """

    scores: dict[str, float]
    identities: dict[str, tuple[int, int]] = field(default_factory=dict)


def tracking_name(metric: str, how: str = "", every: int = 1) -> str:
    """What a tracking score is called: ``IDF1``, ``IDF1, by motion``, ``IDF1, true boxes, every 5``."""
    return ", ".join(part for part in (metric, how, f"every {every}" if every > 1 else "") if part)


def embedding_measures(
    embed: Embed, folder: Path, measures: Sequence[str], every: int = 1, part: Part = "all"
) -> Measured:
    """Verification, retrieval and appearance-only association of an embedding at a sequence's annotated boxes.

    Args:
        embed: image and boxes to unit vectors, as `clmot.Model.embed`.
        folder: MOTChallenge sequence with ground truth.
        measures: those of ``embedding`` and ``association`` that are wanted.
        every: use every so many frames.
        part: all frames, or those of a half.
    """
    if not {"embedding", "association"} & set(measures):
        return Measured(scores={})
    samples = read_dataset([folder], identities=True).samples
    samples = tuple(second_half(samples)) if part == "second-half" else samples
    rate = read_sequence_info(folder).frame_rate
    sequences = embed_sequences(samples, embed, {sample.sequence: rate for sample in samples}, every)
    scores: dict[str, float] = {}
    found: dict[str, tuple[int, int]] = {}
    if "embedding" in measures:
        plain = embedding_scores(sequences, (GAP, np.inf))
        prior = TrackerConfig().mean_subtraction
        subtracted = embedding_scores([sequence.mean_subtracted(prior) for sequence in sequences], (GAP, np.inf))
        scores |= {name: plain[name] for name in SHARES}
        scores |= {MEAN_SUBTRACTED[name]: subtracted[name] for name in SHARES}
        for sequence in sequences:
            found |= found_again(sequence)
    if "association" in measures and sequences:
        scores[ASSOCIATION], _ = best_association(sequences[0])
    return Measured(scores={name: score for name, score in scores.items() if not math.isnan(score)}, identities=found)


def found_again(sequence: EmbeddedSequence) -> dict[str, tuple[int, int]]:
    """Of each identity, the boxes seen again after `GAP`, and those of them whose nearest such box is right."""
    counts: dict[str, tuple[int, int]] = {}
    for row, (identity, second) in enumerate(zip(sequence.identities.tolist(), sequence.seconds, strict=True)):
        compared = np.flatnonzero(np.abs(sequence.seconds - second) >= GAP)
        same = sequence.identities[compared] == identity
        if same.any():
            nearest = np.argmax(sequence.embeddings[compared] @ sequence.embeddings[row])
            boxes, right = counts.get(str(identity), (0, 0))
            counts[str(identity)] = (boxes + 1, right + int(same[nearest]))
    return counts


def tracking_measures(model: Model, folder: Path, results: Path, every: Sequence[int], part: Part = "all") -> Measured:
    """Scores of tracks from the model's own detections and from the annotated boxes, with appearance and without.

    A network that was taught no embedding tracks by motion alone throughout. What it finds is kept beside the tracks,
    for the ways to share and to be measured again.

    Args:
        model: the method's network.
        folder: MOTChallenge sequence with ground truth.
        results: folder for the tracks.
        every: frame distances; 5 tracks frames 1, 6, 11, ...
        part: all frames, or those of a half.
    """
    scores: dict[str, float] = {}
    has_embedding = model.config.loss.objective != "none"
    for distance in every:
        frames, store = FrameChoice(every=distance, part=part), results / f"detections-{distance}"
        sources = {each.name: each.only(frames) for each in open_source(folder)}
        told = {**model_facts(model, frames), "detect": dataclasses.asdict(model.config.detect)}
        origin = json.loads(json.dumps(told))  # as it comes back from the file
        found_by = dict.fromkeys(sources, finder_of(model))
        find_once(sources, found_by.copy, store, dict.fromkeys(sources, origin), progress=False)
        for how, appearance, boxes in _WAYS:
            tracker = dataclasses.replace(model.config.tracker, appearance=appearance and has_embedding)
            out = results / f"{how or 'tracks'}-{distance}".replace(" ", "-")
            whose = boxes or store
            track(folder, model, out, tracker=tracker, frames=frames, boxes=whose, progress=False, overwrite=True)
            combined = evaluate(out, folder, frames=frames).combined
            scores |= {tracking_name(metric, how, distance): float(combined[metric]) for metric in TRACKING}
    return Measured(scores=scores)
