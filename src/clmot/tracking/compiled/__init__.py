"""The hot path of `clmot.tracking.tracker` as machine code, by numba: what is there step by step, in loops.

The NumPy form is the one to read: names are the same here, and every formula stands there with its source. Ids, boxes
and filters are equal bit for bit, ties among them too; embeddings and cosines to the rounding of float32, whose sums
are taken in another order. `TrackerConfig.observation_reupdate` is not here.

Importing this compiles, once for an installation: the result is kept on disk, in ``__pycache__``, numba's folder of
the user, or ``NUMBA_CACHE_DIR``. Where none of them can be written, importing raises `ImportError`.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from numba.core import event

from clmot.config.tracker import TrackerConfig
from clmot.structures import Detections, Int64Array
from clmot.tracking.compiled import numbers, settings
from clmot.tracking.compiled import step as steps
from clmot.tracking.track_state import plain

_log = logging.getLogger(__name__)
_STEP = (
    "(f8[:, ::1], f4[:, ::1], i8[::1], f4[:, ::1], f4[::1], i8[::1], f4[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1])"
)


class _Announcement(event.Listener):  # type: ignore[misc,unused-ignore]
    """Says so when something is compiled and not just read from disk."""

    done = False

    def on_start(self, event: Any) -> None:
        if not self.done:
            self.done = True
            _log.warning("compiling the tracker, once for this installation (some 20 s; CLMOT_COMPILED=0 does without)")

    def on_end(self, event: Any) -> None:
        pass


_step = settings.part(steps.step)


def _entries(stamp: int) -> dict[Any, str]:
    """What is called from outside, with the one kind of arguments of each; the stamp is part of what is kept.

    They may close over nothing else: numba's functions are other bytes in each process, and nothing would be found
    again.
    """

    def order(score: Any, xyxy: Any, class_id: Any) -> Any:
        assert stamp
        return numbers.falling(score, xyxy, class_id)

    def frame(
        rows: Any,
        embedding: Any,
        order: Any,
        xyxy: Any,
        score: Any,
        class_id: Any,
        looks: Any,
        total: Any,
        trust: Any,
        now: Any,
        s: Any,
    ) -> Any:
        assert stamp
        return _step(rows, embedding, order, xyxy, score, class_id, looks, total, trust, now, s)

    return {order: "(f4[::1], f4[:, ::1], i8[::1])", frame: _STEP}


def _compile() -> list[Any]:
    """The functions for their one kind of arguments, so that nothing is ever compiled later.

    Raises:
        ImportError: there is nowhere to keep what is compiled.
    """
    entries = _entries(settings.stamp() or 1)
    try:
        compiled: list[Any] = [njit(function, cache=True, error_model="numpy") for function in entries]
    except RuntimeError as error:
        raise ImportError(f"nowhere to keep compiled code ({error}); set NUMBA_CACHE_DIR") from error
    with event.install_listener("numba:compile", _Announcement()):
        for function, signature in zip(compiled, entries.values(), strict=True):
            function.compile(signature)
            function.disable_compile()
    return compiled


class Compiled:
    """What `clmot.tracking.tracker` calls; there is one (`COMPILED`), which a copied or pickled tracker finds again."""

    def __init__(self) -> None:
        self._order, self.step = _compile()

    def __reduce__(self) -> tuple[Any, ...]:
        from clmot.tracking.tracker import load_compiled

        return load_compiled, ()

    def order(self, detections: Detections) -> Int64Array:
        """`Found.order`."""
        order: Int64Array = self._order(plain(detections.score), plain(detections.xyxy), plain(detections.class_id))
        return order

    def settings(self, config: TrackerConfig) -> npt.NDArray[np.float64]:
        """What `step` wants of a configuration, as one array."""
        return settings.as_array(config)


COMPILED = Compiled()
