"""How many processors a process uses, where several share a machine."""

from __future__ import annotations

import os

VARIABLE = "CLMOT_THREADS"
"""Of the environment: threads of ONNX Runtime, OpenVINO and video decoders; all processors where it is not set."""
THREADS = (VARIABLE, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Variables that libraries read when they are imported."""


def thread_limit() -> int:
    """How many threads may compute; 0 where nobody says."""
    text = os.environ.get(VARIABLE, "")
    return int(text) if text.isdecimal() else 0


def limit_threads(count: int) -> None:
    """Let OpenCV, which reads no variable, use so many threads."""
    import cv2

    cv2.setNumThreads(count)
