"""The cheapest call of each command whose results take time to make, and the small files that they read."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
import yaml

from clmot.apps.serve.edits import read_edit
from clmot.apps.serve.journal import Journal
from clmot.apps.serve.session import Session
from clmot.cli import main
from clmot.config import Config
from clmot.io.locks import alone
from clmot.io.video_writer import VideoWriter
from clmot.models.network import Network
from clmot.synthetic import write_scenes
from clmot.training.checkpoint import save_checkpoint

_SIZE = "model.image_size=[128,96]"
_ENCODER = "model.encoder=resnet10t model.encoder_options={channels:[8,8,16,16]} model.width=8 model.stripes=2"
_TINY = f"{_SIZE} train.batch_size=2 train.device=cpu data.workers=0"
COMMANDS = {
    "track": "track {clip} --out {out} --boxes gt --model {run} --explain",
    "track file": "track {video} --out {out} --model {run} --video --times --fps 5",
    "track many": "track {clips} --out {out} --boxes gt --model {run} --workers 1 --stall 60",
    "train": "train {stills} --out {out} --steps 2 train.save_every=1 train.ema=0.9 " + _TINY,
    "attach": "attach python:{finder}:find {stills} --out {out} --steps 2 train.save_every=1 --head crops "
    "detector.crop_size=[32,64] " + f"{_ENCODER} {_TINY}",
    "adapt": "adapt {run} {longer} --out {out} --boxes gt adapt.min_seconds=0.1 adapt.held_out=0.5",
    "tune": "tune gt {clip} --out {out} --trials 2 --jobs 1",
    "bench": "bench {plan} --out {out}",
    "export": "export {run} --to onnx --out {out}.onnx",
    "convert-results": "convert-results {results} --to cvat --out {out}.xml",
    "data convert": "data convert {clip} --to coco --out {out}",
    "download": "info hf://owner/tiny",
    "edits": "{out}",
    "refine": "refine {results} --out {out} --smooth",
    "count": "count {results} --line 10,10,100,100 --out {out}",
    "data frames": "data frames {clip} --out {out}",
    "detect": "detect {clip} --model {run} --out {out}",
    "gallery": "gallery enrol {out}.safetensors {clip}/img1 --name Ada --model {run}",
}


def edit(words: list[str], places: dict[str, Path]) -> None:
    """What `clmot serve` does with edits and an export; those that are in the journal are not made again."""
    folder = Path(words[0])
    folder.mkdir(exist_ok=True)
    results = folder / "r.txt"
    if not results.exists():
        os.link(places["results"], results)
    with alone(folder / ".serve"):
        journal = Journal(results)
        for number in range(len(journal.edits), 20):
            what = {"do": "rename", "track": 1, "name": f"Ada {number}"}
            journal.append(read_edit(json.dumps(what).encode()))
    session = Session(results)
    session.export("motchallenge")
    session.close()


def download(words: list[str], places: dict[str, Path]) -> None:
    """`clmot info` of a model of a Hub of this machine, whose cache is the results' folder."""
    from huggingface_hub import constants

    endpoint = f"http://127.0.0.1:{places['hub']}"
    constants.ENDPOINT = endpoint
    constants.HUGGINGFACE_CO_URL_TEMPLATE = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_CACHE, constants.HF_HUB_OFFLINE = str(places["out"]), False
    main(words)


FUNCTIONS: dict[str, Callable[[list[str], dict[str, Path]], None]] = {"edits": edit, "download": download}
"""What is called with a command's words and the places, where it is not `clmot`."""


def prepare(folder: Path) -> dict[str, Path]:
    """What the commands read."""
    write_scenes(folder / "scenes", still_frames=4, still_sequences=1, clips=2, clip_frames=6, size=(160, 96), seed=3)
    write_scenes(folder / "longer", still_frames=1, still_sequences=1, clips=1, clip_frames=20, size=(160, 96), seed=3)
    clips = sorted(each for each in (folder / "scenes" / "clips").iterdir() if each.is_dir())
    small = {"encoder": "resnet10t", "encoder_options": {"channels": [8, 8, 16, 16]}, "width": 8, "stripes": 2}
    config = Config().updated({"model": {"image_size": [128, 96], **small}})
    torch.manual_seed(0)
    model = save_checkpoint(folder / "run", 1, config, Network(config.model).state_dict(), None)
    truth = np.loadtxt(clips[0] / "gt" / "gt.txt", delimiter=",", ndmin=2)[:, :7]
    results = folder / f"{clips[0].name}.txt"
    np.savetxt(results, np.pad(truth, ((0, 0), (0, 3)), constant_values=-1), "%g", delimiter=",")
    with VideoWriter(folder / "v.mp4", 5.0, (160, 96)) as writer:
        for number in range(1, 7):
            writer.write(np.full((96, 160, 3), 30 * number, np.uint8), number)
    finder = folder / "finder.py"
    boxes = "np.array([[10, 20, 40, 90, 0.9, 0], [80, 10, 110, 85, 0.8, 0]])"
    finder.write_text(f"import numpy as np\n\n\ndef find(image):\n    return {boxes}\n")
    stills = next(each for each in (folder / "scenes" / "stills").iterdir() if each.is_dir())
    plan = {
        "steps": 2,
        "data": {"train": str(folder / "scenes" / "stills"), "test": str(clips[0])},
        "settings": {
            "model": {"image_size": [128, 96], **small},
            "train": {"batch_size": 2, "warmup_steps": 1, "device": "cpu"},
            "data": {"workers": 0},
        },
        "methods": ["ours"],
    }
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return {
        "clip": clips[0],
        "clips": folder / "scenes" / "clips",
        "longer": next(each for each in (folder / "longer" / "clips").iterdir() if each.is_dir()),
        "stills": stills,
        "run": folder / "run",
        "results": results,
        "video": folder / "v.mp4",
        "finder": finder,
        "plan": folder / "plan.yaml",
        "hub": Path(str(_hub(model.read_bytes() if model.is_file() else (model / "model.safetensors").read_bytes()))),
    }


def _hub(content: bytes) -> int:
    """The port of a server with one model, as huggingface-hub asks for it."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200 if urlsplit(self.path).path.endswith("model.safetensors") else 404)
            for key, value in {
                "X-Repo-Commit": "0123456789" * 4,
                "ETag": '"a"',
                "Content-Length": len(content),
            }.items():
                self.send_header(key, str(value))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
