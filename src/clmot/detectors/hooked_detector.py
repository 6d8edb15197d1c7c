"""What detectors of all libraries have in common whose feature maps are read off their modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clmot.detectors.feature_hooks import Taps
from clmot.detectors.frozen import fingerprint
from clmot.detectors.output_parser import Answers


class TappedDetector:
    """Base of such detectors: who makes one sets its parts.

    Attributes:
        model: the frozen network.
    """

    model: Any
    _answers: Answers
    _taps: Taps

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self._answers.classes

    @property
    def channels(self) -> dict[int, int]:
        """Channels of its maps by their stride."""
        return self._taps.channels

    def fingerprint(self) -> str:
        """Of its weights."""
        return fingerprint(self.model)
