"""The options that `clmot track` and `clmot detect` share: what is looked for, where, and by what means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from clmot.cli.app import BatchSize, Device, Every, Part, Runtime, Size, comma_separated, size_settings
from clmot.errors import UserError, require

if TYPE_CHECKING:
    from clmot.apps.track.object_choice import ObjectChoice


@Parameter(name="*")
@dataclass(kw_only=True)
class Looking:
    """Each is a parameter of the commands."""

    conf: Annotated[
        str | None,
        Parameter(
            help="Least score of a detection: 0.3, or by class, person=0.4,car=0.2 (0.3 beside them: all others)."
        ),
    ] = None
    classes: Annotated[str | None, Parameter(help="These classes only: names, with commas between.")] = None
    mask: Annotated[
        Path | None, Parameter(help="Image of the region that counts: objects that stand on black do not.")
    ] = None
    every: Every = 1
    frames: Part = "all"
    size: Size = None
    slices: Annotated[
        int,
        Parameter(
            help="Also look at square slices of the image, of this side in pixels: finds small objects, takes longer."
        ),
    ] = 0
    batch_size: BatchSize = 1
    device: Device = "auto"
    runtime: Runtime = "auto"

    def settings(self, *others: tuple[Mapping[str, Any], str]) -> list[tuple[Mapping[str, Any], str]]:
        """These options among other settings, the last of which (those on the command line) are laid over them.

        Raises:
            UserError: a score is no number from 0 to 1, or a size is none.
        """
        *below, given = others
        lowest = self._objects.lowest_score
        least = [] if lowest is None else [({"detect": {"score_threshold": lowest}}, "--conf")]
        return [*below, *least, given, *size_settings(self.size)]

    @property
    def choices(self) -> dict[str, Any]:
        """Arguments of these names of `clmot.track` and `clmot.detect`."""
        from clmot.io.frame_choice import FrameChoice

        return {
            "frames": FrameChoice(every=self.every, part=self.frames),
            "objects": self._objects,
            "slices": self.slices,
            "batch_size": self.batch_size,
        }

    @cached_property
    def _objects(self) -> ObjectChoice:
        from clmot.apps.track.object_choice import ObjectChoice

        scores: dict[str, float] = {}
        for part in comma_separated(self.conf or ""):
            name, _, number = part.rpartition("=")
            try:
                scores[name.strip()] = float(number)
                require(0 <= scores[name.strip()] < 1, "")
            except (ValueError, UserError) as error:
                line = f"--conf {self.conf}: give a score from 0 to 1, or NAME=SCORE with commas between"
                raise UserError(line) from error
        return ObjectChoice(classes=comma_separated(self.classes or ""), scores=scores, mask=self.mask)
