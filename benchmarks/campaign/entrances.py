"""Valid small texts that clmot reads, and the call that reads each."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from campaign.binary import arrays, pictures
from campaign.files import MOT, RESULTS, SEEDS, SIZE, TEXTS, Entrance, picture, put
from clmot.apps.bench.plan import read_plan
from clmot.apps.convert_results.readers import read_tracks
from clmot.apps.many.manifest import Manifest
from clmot.apps.many.sources import list_videos
from clmot.apps.report.results import load_results
from clmot.apps.serve.history import History
from clmot.apps.serve.journal import Journal
from clmot.apps.serve.state import State
from clmot.config import Config, load_config
from clmot.datasets.mix import entries
from clmot.datasets.readers import read_dataset
from clmot.datasets.readers.xml_files import root_name
from clmot.io.camera_motion_text import read_camera_motion
from clmot.io.class_names import read_class_names
from clmot.io.mot_text import read_mot_text


def entrances(root: Path) -> Iterator[Entrance]:
    """All of them, their files below a new folder."""
    yield from _texts(root)
    yield from _data_sets(root)
    yield from _quirks(root)
    yield from arrays(root)
    yield from pictures(root)


def _texts(root: Path) -> Iterator[Entrance]:
    folder = root / "texts"
    yield Entrance("MOT text", put(folder / "a.txt", RESULTS), read_mot_text, share=8)
    yield Entrance(
        "camera motion text", put(folder / "c.txt", "1 1 0 2.5 0 1 -3\n2 1 0 0 0 1 0\n"), read_camera_motion, share=4
    )
    yield Entrance("names of classes", put(folder / "names.txt", "person\ncar\n"), read_class_names, share=2)
    own = Config().to_yaml()
    yield Entrance(
        "config YAML, whole", put(folder / "config.yaml", own), lambda file: load_config(file=file), share=0.5
    )
    yield Entrance("config YAML", put(folder / "few.yaml", TEXTS["few"]), lambda file: load_config(file=file), share=3)

    def override(file: Path) -> None:
        load_config(overrides=file.read_text("utf-8", "surrogateescape").split("\n"))

    yield Entrance(
        "overrides",
        put(folder / "o.txt", "tracker.lost_seconds=3\ntrain.steps=5\nmodel.image_size=[64,64]"),
        override,
        share=3,
    )
    put(root / "data" / "a" / "img1" / "000001.jpg", picture(0))
    put(root / "data" / "a" / "gt" / "gt.txt", MOT)
    put(root / "data" / "b" / "img1" / "000001.jpg", picture(9))
    put(root / "data" / "b" / "gt" / "gt.txt", MOT)
    yield Entrance("bench plan", put(root / "plan.yaml", TEXTS["plan"]), read_plan, share=1.5)
    yield Entrance("mix", put(root / "mix.yaml", TEXTS["mix"]), entries, share=3)
    lists = root / "lists"
    put(lists / "a.avi", b"x")

    def listed(file: Path) -> None:
        list_videos([str(file)], {})

    yield Entrance(
        "list of videos", put(lists / "l.csv", "source,name,tracker.lost_seconds\na.avi,first,2\n"), listed, share=1
    )
    rows = [
        {"name": "a", "key": "k", "state": "done", "attempt": 1, "at": 1.5, "frames": 3, "files": ["a.txt"]},
        {"name": "b", "key": "k", "state": "error", "attempt": 1, "error": "e"},
    ]
    made = put(root / "out" / "manifest" / "rows" / "w.jsonl", "\n".join(map(json.dumps, rows)) + "\n")
    put(root / "out" / "manifest" / "claims" / "a.k.1", "")

    def manifest(file: Path) -> None:
        found = Manifest(root / "out")
        found.refresh(claims=True)
        found.known_videos()

    yield Entrance("manifest", made, manifest, share=4)
    sources = [{"name": "a", "origin": "/x/a.mp4", "size": 3, "content": "ab"}]
    yield Entrance(
        "manifest's sources",
        put(root / "out" / "manifest" / "sources.jsonl", json.dumps(sources[0]) + "\n"),
        manifest,
        "json",
        2,
    )
    results = put(root / "serve" / "r.txt", RESULTS + "7,3,1,2,20,15,0.9,1,-1,-1\n")
    journal = Journal(results)
    table = load_results(results)
    edits = [
        {"do": "swap", "track": 1, "other": 2, "frame": 2},
        {"do": "merge", "into": 1, "track": 3},
        {"do": "split", "track": 1, "frame": 2},
        {"do": "rename", "track": 1, "name": "Ada"},
        {"do": "delete", "track": 2, "first": 1, "last": 2},
        {"do": "class", "track": 1, "name": "car"},
        {"do": "box", "track": 1, "frame": 2, "box": [1, 2, 3, 4]},
        {"do": "reviewed", "event": "a"},
        {"do": "undo"},
        {"do": "redo"},
    ]

    def replay(file: Path) -> None:
        state = State.of_rows(table.rows, table.classes, 1)
        Journal(results).replayed(History(state))

    for edit in edits:
        content = (
            "\n".join(map(json.dumps, (journal._head, edits[3], *[edits[-2]] * (edit["do"] == "redo"), edit))) + "\n"
        )
        yield Entrance(f"edits journal, {edit['do']}", put(journal.path, content), replay, "json", 0.6)
    yield Entrance("results for a report", put(root / "report" / "r.txt", RESULTS), load_results, share=2)
    record = {
        "clmot": "0.1.0",
        "sources": {"r": {"source": "/x.mp4", "frames": 3, "frame_rate": 25.0}},
        "classes": ["person"],
        "config": {"tracker": {}},
    }
    put(root / "record" / "r.txt", RESULTS)
    yield Entrance(
        "record of tracking (run.json)",
        put(root / "record" / "run.json", json.dumps(record)),
        lambda file: load_results(file.parent / "r.txt"),
        "json",
    )
    yield Entrance(
        "results as table",
        put(
            folder / "t.csv",
            "frame,seconds,track,class,score,left,top,right,bottom,speed\n1,0.0,1,person,0.5,2,3,14,15,0\n2,0.04,1,person,0.5,2,3,14,15,1.5\n",
        ),
        lambda file: read_tracks(file, None, None),
    )
    yield Entrance(
        "results of KITTI", put(folder / "k.txt", TEXTS["kitti"]), lambda file: read_tracks(file, None, None)
    )


def _data_sets(root: Path) -> Iterator[Entrance]:
    for number, each in enumerate(SEEDS["sets"]):
        folder = root / f"set{number}"
        for name, content in each["files"].items():
            put(folder / name, picture(len(name)) if content is None else content)
        file, read = folder / each["file"], partial(_of_folder, folder)
        yield Entrance(each["name"], file, read, each["kind"], each["share"])
    folder = root / "tracks"
    yield Entrance("tracks of CVAT", put(folder / "c.xml", TEXTS["cvat"]), _tracks)
    yield Entrance("tracks of Label Studio", put(folder / "l.json", TEXTS["label_studio"]), _tracks, "json", 2)
    yield Entrance("tracks of COCO", put(folder / "o.json", TEXTS["coco"]), _tracks, "json", 2)
    yield Entrance("root of an XML file", put(folder / "r.xml", TEXTS["voc"]), root_name)


def _of_folder(folder: Path, _: Path) -> None:
    read_dataset([folder])


def _tracks(file: Path) -> None:
    read_tracks(file, None, SIZE)


def _quirks(root: Path) -> Iterator[Entrance]:
    """Annotations as tools really write them, where the data is at hand."""
    quirks = Path(os.environ.get("CLMOT_DATA", "")) / "quirks"
    for folder in sorted(quirks.iterdir()) if os.environ.get("CLMOT_DATA") and quirks.is_dir() else ():
        if not folder.is_dir():
            continue
        copy = Path(shutil.copytree(folder, root / "quirks" / folder.name))
        files = [
            file
            for file in sorted(copy.rglob("*"))
            if folder.name not in ("ls-video", "yolo-pixels-instead-of-shares")
            and file.suffix in (".json", ".xml", ".txt", ".yaml", ".odgt")
            and "README" not in file.name
        ]
        for file in files[:1]:
            kind = "json" if file.suffix in (".json", ".odgt") else "text"
            yield Entrance(f"quirk {folder.name}", file, lambda _, copy=copy: read_dataset([copy]), kind, 0.5)
