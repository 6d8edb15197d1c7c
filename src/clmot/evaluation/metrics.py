"""TrackEval's HOTA, CLEAR and Identity metrics under the names that MOTChallenge gives their values."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

Fields = dict[str, Any]
"""One sequence (or several combined) in the terms of TrackEval, whose metrics share no field name."""

_PERCENTAGES = {name: name for name in ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1")} | {
    "Rcll": "CLR_Re",
    "Prcn": "CLR_Pr",
}
_COUNTS = {name: name for name in ("IDSW", "Frag", "MT", "ML", "GT_IDs", "GT_Dets")} | {"FP": "CLR_FP", "FN": "CLR_FN"}
_OWN = ("GT_IDs", "GT_Dets")


class Metrics:
    """The three metrics together."""

    def __init__(self) -> None:
        # TrackEval prints when it is imported and when its metrics are made
        with contextlib.redirect_stdout(io.StringIO()):
            from trackeval.metrics import CLEAR, HOTA, Identity

            self._metrics: tuple[Any, ...] = (HOTA(), CLEAR(), Identity())

    def score(self, data: dict[str, Any]) -> Fields:
        """The fields of one sequence, from `clmot.evaluation.track_rows.trackeval_data`."""
        fields = {name: value for metric in self._metrics for name, value in metric.eval_sequence(data).items()}
        return fields | {"GT_IDs": data["num_gt_ids"], "GT_Dets": data["num_gt_dets"]}

    def combine(self, parts: Sequence[Fields]) -> Fields:
        """The fields of several sequences together: counts are added, no score is averaged."""
        named = dict(enumerate(parts))
        fields = {name: value for metric in self._metrics for name, value in metric.combine_sequences(named).items()}
        return fields | {name: sum(part[name] for part in parts) for name in _OWN}


def summary(fields: Fields) -> dict[str, float]:
    """TrackEval's fields under MOTChallenge's names; values over localisation thresholds averaged."""
    percentages = {name: 100 * float(np.mean(fields[field])) for name, field in _PERCENTAGES.items()}
    return percentages | {name: int(fields[field]) for name, field in _COUNTS.items()}
