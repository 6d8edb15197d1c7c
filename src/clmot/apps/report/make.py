"""`clmot report`: from results and video to one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clmot.apps.report.appearance import read_appearance, visibility
from clmot.apps.report.measured import Measured
from clmot.apps.report.page import Content, report_page
from clmot.apps.report.pictures import take_pictures
from clmot.apps.report.results import Results, load_results
from clmot.apps.report.suspects import find_suspects
from clmot.apps.report.truth import compare_with_truth
from clmot.errors import UserError
from clmot.evaluation.benchmarks import Benchmark
from clmot.io.atomic import write_whole_text
from clmot.io.sources import open_one
from clmot.structures import Embed

_TOLD = {
    "HOTA": "detection and association together",
    "IDF1": "boxes under the right id",
    "AssA": "association alone",
    "DetA": "detection alone",
    "MOTA": "misses, false boxes and switches",
}
_COUNTED = {"IDSW": "identity switches", "Frag": "fragments", "FP": "false boxes", "FN": "missed boxes"}

_SUSPECTS = (
    "There is no ground truth: events are suspects, found from appearance and motion alone. The most suspicious come "
    "first; near the end of the list most are harmless."
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written.

    Attributes:
        path: the file.
        size: its bytes.
        events: how many events it lists, by kind.
    """

    path: Path
    size: int
    events: dict[str, int]


def make_report(
    results: str | Path,
    video: str | Path,
    out: str | Path,
    *,
    ground_truth: str | Path | None = None,
    benchmark: Benchmark = "auto",
    embed: Embed | None = None,
    progress: bool = True,
) -> Report:
    """Write a page that shows tracks, what went wrong with them and why.

    Args:
        results: MOTChallenge text of `clmot track` or another tracker, or a folder of it.
        video: what was tracked: a video, a folder of images or a sequence folder.
        out: the HTML file.
        ground_truth: as `clmot.evaluation.mot.evaluate`; without it, what looks wrong is listed.
        benchmark: whose rules decide what counts.
        embed: as `clmot.Model.embed`: tells what looks alike where there is no ground truth; by default colours do.
        progress: show a progress bar on standard error.

    Raises:
        UserError: results, video or ground truth cannot be read or do not belong together, or the file cannot be
            written.

    Examples:
        >>> written = clmot.report("street.txt", "street.mp4", "report.html")
    """
    source = open_one(video)
    if source.live:
        raise UserError(f"{source.origin}: is a camera; a report needs the recording")
    loaded = load_results(Path(results), source)
    if ground_truth is None:
        appearance = read_appearance(loaded, source, embed, progress=progress)
        suspects = find_suspects(Measured(loaded, appearance, visibility(loaded)))
        content = Content(tiles=_blind_tiles(loaded), notes=[_SUSPECTS], events=suspects)
    else:
        truth = compare_with_truth(loaded, Path(ground_truth), benchmark)
        tiles = [(name, f"{truth.scores[name]:.1f}", meaning) for name, meaning in _TOLD.items()]
        tiles += [(name, f"{truth.scores[name]:,.0f}", meaning) for name, meaning in _COUNTED.items()]
        content = Content(tiles=tiles, notes=[f"Scores by the rules of {truth.rules}."], events=truth.events)
    pictures = take_pictures(loaded, content.events, source, progress=progress)
    page = report_page(loaded, content, pictures)
    write_whole_text(Path(out), page, "the report", errors="replace")
    kinds = [event.kind for event in content.events]
    return Report(
        path=Path(out), size=Path(out).stat().st_size, events={kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    )


def _blind_tiles(results: Results) -> list[tuple[str, str, str]]:
    """What can be said of tracks without ground truth; nothing of it is a score."""
    lives = np.array([rows.frame[-1] - rows.frame[0] + results.step for rows in results.tracks.values()])
    seen = len(results.rows) * results.step / lives.sum()
    return [
        ("tracks", f"{len(lives):,}", "how many ids there are"),
        ("mean life", f"{lives.mean() / results.frame_rate:.1f} s", "from a track's first box to its last"),
        ("seen", f"{100 * min(seen, 1.0):.0f} %", "share of their lives in which tracks have boxes; the rest are gaps"),
    ]
