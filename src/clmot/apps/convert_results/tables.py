"""Tables of tracks: those of `clmot track`, and supervision's."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clmot.apps.convert_results.attributes import NAME
from clmot.apps.convert_results.sequence import TrackedSequence
from clmot.datasets.readers.coco_records import EXPECTED
from clmot.datasets.readers.json_files import load_json
from clmot.errors import UserError, reason_of
from clmot.io.csv_text import csv_text, plain_text
from clmot.io.text import read_text
from clmot.io.track_table import COLUMNS as TABLE_COLUMNS
from clmot.structures import Float64Array

SUPERVISION = {
    "left": "x_min",
    "top": "y_min",
    "right": "x_max",
    "bottom": "y_max",
    "score": "confidence",
    "track": "tracker_id",
    "frame": "frame_number",
    "class": "class_name",
}
"""What supervision's sinks call our columns; the last two are what its users add."""


def read_table(path: Path) -> TrackedSequence:
    """A table of `clmot.io.track_table`, CSV or records of JSON, or what supervision's CSVSink or JSONSink wrote.

    Raises:
        UserError: it is none, or a cell holds something else.
    """
    if path.suffix.lower() == ".json":
        records = list(enumerate(load_json(path, list[dict[str, Any]], EXPECTED)))
        names = list(records[0][1]) if records else []
        place = "{}: [{}]"
    else:
        reader = csv.DictReader(io.StringIO(read_text(path)))
        records = [(reader.line_num, row) for row in reader]
        names, place = list(reader.fieldnames or ()), "{}:{}"
    ours = {theirs: our for our, theirs in SUPERVISION.items() if theirs in names and our not in names}
    if SUPERVISION["left"] in ours:
        renamed = {**dict(zip(names, names, strict=True)), **ours}
        records = [(number, {renamed.get(name, name): cell for name, cell in row.items()}) for number, row in records]
        names = [renamed[name] for name in names if name != "class_id"]
    numbers = ("frame", "track", "left", "top", "right", "bottom")
    missing = [name for name in (*numbers, "class") if name not in names]
    if missing and (records or path.suffix.lower() == ".csv"):
        where = place.format(path, records[0][0] if path.suffix.lower() == ".json" else 1)
        raise UserError(f"{where}: no column {', '.join(missing)}; expected {','.join(TABLE_COLUMNS)}")
    classes: dict[str, int] = {}
    attributes: dict[int, dict[str, str]] = {}
    values, kind, others = [], [], []
    for number, row in records:
        try:
            found = [float(row[name]) for name in numbers]
            score = float(row.get("score") or 1)
            if not (found[0].is_integer() and found[0] >= 1 and found[1].is_integer()):
                raise ValueError("frame and track must be whole numbers")
            others.append({name: _cell(row[name]) for name in names if name not in (*TABLE_COLUMNS, NAME)})
        except (KeyError, TypeError, ValueError) as error:
            fault = f"expected numbers as {', '.join(numbers)}: {reason_of(error)}"
            raise UserError(f"{place.format(path, number)}: {fault}") from error
        values.append([*found, score])
        if name := plain_text(str(row.get(NAME) or "")):
            attributes.setdefault(int(found[1]), {NAME: name})
        kind.append(classes.setdefault(plain_text(str(row["class"] or "object")), len(classes)))
    table = np.array(values, np.float64).reshape(-1, 7)
    return TrackedSequence.of_columns(
        path,
        table[:, 0].astype(np.int64),
        table[:, 1].astype(np.int64),
        table[:, 2:6],
        np.array(kind, np.int64),
        list(classes),
        table[:, 6].astype(np.float32),
        attributes=attributes,
        data={name: _filled([each[name] for each in others], path, name) for name in (others[0] if others else ())},
    )


def supervision_table(sequence: TrackedSequence) -> str:
    """As supervision's CSVSink writes `to_supervision` with what its users add: frame, class and name."""
    rows = sequence.rows
    order = np.lexsort((rows.track_id, rows.frame))
    names = [sequence.attributes.get(track, {}).get(NAME, "") for track in rows.track_id[order].tolist()]
    # the shortest decimals of single precision
    sides = rows.xyxy[order].astype(str).astype(np.float64).T.tolist()
    columns = {
        **dict(zip((SUPERVISION[side] for side in ("left", "top", "right", "bottom")), sides, strict=True)),
        "class_id": rows.class_id[order].tolist(),
        "confidence": rows.score[order].astype(str).astype(np.float64).tolist(),
        "tracker_id": rows.track_id[order].tolist(),
        "class_name": [sequence.classes[kind] for kind in rows.class_id[order].tolist()],
        "frame_number": rows.frame[order].tolist(),
        **({NAME: names} if any(names) else {}),
    }
    return csv_text([tuple(columns), *zip(*columns.values(), strict=True)])


def _cell(value: Any) -> Any:
    """Numbers, however deep, from JSON or from text of it; None where there is nothing."""
    return json.loads(value) if isinstance(value, str) and value.strip() else value or None


def _filled(rows: Sequence[Any], path: Path, name: str) -> Float64Array:
    """float64 [n, ...] of rows of one shape, NaN in those that are None."""
    try:
        nothing = np.full(np.shape(next((row for row in rows if row is not None), [])), np.nan)
        return np.stack([nothing if row is None else np.array(row, np.float64) for row in rows])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {name}: not numbers of one shape in every row ({reason_of(error)})") from error
