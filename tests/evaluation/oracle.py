"""What TrackEval's own classes for benchmarks give."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def trackeval(root: Path, names: Sequence[str], kind: str, *, kitti: bool = False, **config: Any) -> dict[str, Any]:
    """Fields of one class by sequence, and of all as ``combined``; ``root`` holds ``gt`` and ``results``."""
    config |= {"GT_FOLDER": str(root / "gt"), "TRACKERS_FOLDER": str(root), "TRACKERS_TO_EVAL": ["results"]}
    config |= {"TRACKER_SUB_FOLDER": "", "PRINT_CONFIG": False}
    if not kitti:
        config |= {"SEQ_INFO": dict.fromkeys(names), "SKIP_SPLIT_FOL": True}
    with contextlib.redirect_stdout(io.StringIO()):
        from trackeval.datasets import Kitti2DBox, MotChallenge2DBox
        from trackeval.metrics import CLEAR, HOTA, Identity

        dataset = (Kitti2DBox if kitti else MotChallenge2DBox)(config)
        metrics = (HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False}))
        scores: dict[str, Any] = {}
        for name in names:
            data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("results", name), kind)
            scores[name] = {"GT_IDs": data["num_gt_ids"], "GT_Dets": data["num_gt_dets"]}
            for metric in metrics:
                scores[name] |= metric.eval_sequence(data)
        combined = {field: sum(part[field] for part in scores.values()) for field in ("GT_IDs", "GT_Dets")}
        for metric in metrics:
            combined |= metric.combine_sequences(scores)
    return scores | {"combined": combined}
