"""What an embedding is worth, as tables and as a picture of its margins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clmot.evaluation.embedding import FALSE_ACCEPT_RATES
from clmot.evaluation.probe import CHANGES
from clmot.visualize.figures import new_figure, save_figure
from clmot.visualize.table import TextTable

if TYPE_CHECKING:
    from clmot.apps.embedding_quality.assess import Assessment

_FROM_VIEWS = ("rank-1", "chance", "TPR@FAR=0.01", "alignment", "uniformity", "impostor cosine", "effective rank")
_FROM_IDENTITIES = ("rank-1", "mAP", *(f"TPR@FAR={rate:g}" for rate in FALSE_ACCEPT_RATES))


def assessment_tables(found: Assessment) -> Iterator[TextTable]:
    """What two views say, what falls when one is changed, and, where there are identities, each gap in time."""
    yield _table(
        found.label_free,
        "two views of a frame, no identities needed (TPR@: true positive rate at this false accept rate)",
        _FROM_VIEWS,
    )
    if found.probes:
        yield _table(
            found.probes,
            "what it depends on: rank-1 across two views of a frame, the second one changed, no identities needed",
            tuple(CHANGES),
        )
    if found.areas:
        gaps = tuple(next(iter(found.areas.values())))
        yield _table(found.areas, "area under the ROC curve by the time between two boxes (0.5 says nothing)", gaps)
    for gap, rows in found.identified.items():
        yield _table(rows, f"seen again {gap}, by identities", _FROM_IDENTITIES)


def _table(rows: Mapping[str, Mapping[str, float]], title: str, metrics: tuple[str, ...]) -> TextTable:
    cells = [
        [name, *("-" if np.isnan(scores[metric]) else f"{scores[metric]:.3f}" for metric in metrics)]
        for name, scores in rows.items()
    ]
    # rates side by side leave room for no more
    return TextTable(["embedding", *(metric.replace("FAR=", "") for metric in metrics)], [cells], title=title)


def margins_picture(found: Assessment, picture: Path) -> None:
    """Draw how far genuine and impostor pairs of two views lie apart, a panel for each embedding.

    Raises:
        UserError: the picture cannot be written.
    """
    figure = new_figure((6, 1 + 2 * len(found.pairs)))
    panels = figure.subplots(len(found.pairs), 1, sharex=True, squeeze=False)[:, 0]
    bins = np.linspace(-1, 1, 81)
    for axes, (name, pairs) in zip(panels, found.pairs.items(), strict=True):
        for cosines, label, colour in (
            (pairs.impostor, "other objects", "tab:gray"),
            (pairs.genuine, "the same object in two views", "tab:blue"),
        ):
            if len(cosines):
                axes.hist(cosines, bins, density=True, alpha=0.6, color=colour, label=label)
        threshold = found.label_free[name]["suggested threshold"]
        if np.isfinite(threshold):
            axes.axvline(1 - threshold, color="tab:red", linewidth=1, label="suggested threshold")
        axes.set_title(name, fontsize=10)
        axes.set_yticks([])
    panels[0].legend(fontsize=8, loc="upper left")
    panels[-1].set_xlabel("cosine after online mean subtraction", fontsize=9)
    save_figure(figure, picture)
