"""What is open in the page, and what may be opened: results, or tracking that is under way."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from clmot.apps.serve.job import Job, Wanted
from clmot.apps.serve.session import Session
from clmot.config.tracker import PRESETS
from clmot.errors import UserError, readable, reason_of, require
from clmot.io.atomic import make_folder, partial_of, publish
from clmot.io.sources import VIDEO_SUFFIXES, open_one
from clmot.shipped import DEFAULT

RUNS, UPLOADS = "runs", "uploads"
_MOST_LISTED = 300
_LONGEST_STEM = 80


class Workspace:
    """One folder, and what is open of it. One thing is open at a time.

    Args:
        root: videos and runs in it, and in the folders in it, are offered; tracking and uploads are written below its
            ``runs``.
        results: what to open first; None opens nothing.
        video: what was tracked; without results, what is offered to be tracked first.
        model: a run or file that is offered first.

    Raises:
        UserError: it cannot be opened.
    """

    def __init__(self, root: Path, results: Path | None = None, video: str | None = None, model: str = DEFAULT) -> None:
        self.root, self._model = root, model
        self._named = {video: video} if video is not None else {}
        self._lock = threading.RLock()
        self.job: Job | None = None
        self.session: Session | None = None
        self.problem = ""
        self.exports: dict[str, Path] = {}
        self.version = 0
        if results is not None:
            self.session = Session(results, video)
        elif video is not None:
            open_one(video)

    @property
    def view(self) -> Session | Job | None:
        """What the page shows."""
        return self.job or self.session

    def close(self) -> None:
        """Close what is open."""
        for each in (self.job, self.session):
            if each is not None:
                each.close()

    def status(self) -> dict[str, Any]:
        """What goes on; when tracking has ended, its results are opened."""
        with self._lock:
            job = self.job and self.job.progress()
            if self.job is not None and job and not job["running"]:
                self._finish(self.job, job["error"])
                job = None
            view = self.view
            media = {"state": "none", "share": 0.0, "error": ""}
            if view is not None:
                made, fault = view.media.made, view.media.fault
                state = "failed" if fault else "making" if made is None else made.kind
                media = {"state": state, "share": view.media.share, "error": readable(fault)}
            suspects = {"state": "none", "share": 0.0, "error": ""}
            if self.session is not None and self.job is None:
                found = self.session.suspects
                suspects = {"state": found.state, "share": found.share, "error": readable(found.error)}
            problem, self.problem = self.problem, ""
            return {
                "open": None if view is None else self.version,
                "revision": self.session.revision if self.session is not None and self.job is None else None,
                "job": job,
                "media": media,
                "suspects": suspects,
                "problem": readable(problem),
            }

    def _finish(self, job: Job, error: str) -> None:
        job.close()
        if not error:
            try:
                self.session = Session(job.out, job.source.origin)
            except UserError as cause:
                error = str(cause)
        self.problem = error
        self.job = None  # not before there is something else to look at
        self.version += 1

    def offered(self) -> dict[str, Any]:
        """What can be tracked, and with what."""
        return {
            "sources": [readable(name) for name in self._sources()],
            "models": [readable(name) for name in self._models()],
            "presets": list(PRESETS),
        }

    def _sources(self) -> dict[str, str]:
        """Videos and sequences, by what they are called in the page: nothing else is opened on its behalf."""
        found = dict(self._named)
        for path in _below(self.root):
            if path.suffix.lower() in VIDEO_SUFFIXES if path.is_file() else (path / "img1").is_dir():
                found[str(path.relative_to(self.root))] = str(path)
        return found

    def _models(self) -> dict[str, str]:
        found = {self._model: self._model, DEFAULT: DEFAULT}
        for path in _below(self.root):
            if any(path.glob("checkpoint-*")) if path.is_dir() else path.suffix in (".onnx", ".safetensors"):
                found[str(path.relative_to(self.root))] = str(path)
        return found

    def track(self, wanted: Wanted) -> None:
        """Track something that is offered, in place of what is open.

        Raises:
            UserError: it is not offered, or cannot be opened, or tracking is under way.
        """
        with self._lock:
            require(self.job is None, "tracking is under way; stop it first")
            sources = {readable(name): path for name, path in self._sources().items()}
            models = {readable(name): path for name, path in self._models().items()}
            require(wanted.source in sources, f"{readable(wanted.source)}: is not offered here")
            require(wanted.model in models, f"{readable(wanted.model)}: is no model that is offered here")
            source = open_one(sources[wanted.source])
            require(not source.live, f"{source.origin}: is a camera; record it first")
            job = Job(source, models[wanted.model], wanted, _new(self.root / RUNS, f"serve-{source.name}"))
            if self.session is not None:
                self.session.close()
            self.session, self.job = None, job
            self.version += 1

    def stop(self) -> None:
        """End tracking; what was tracked is kept."""
        with self._lock:
            if self.job is not None:
                self.job.stop()

    async def upload(self, name: str, parts: AsyncIterator[bytes], limit: int) -> str:
        """Keep a video that is sent; returns what it is called among the sources.

        Raises:
            UserError: it is no video by its name, is larger than the limit, or cannot be written.
        """
        given = Path(name.replace("\\", "/")).name
        suffix = Path(given).suffix.lower()
        require(suffix in VIDEO_SUFFIXES, f"{readable(given)[:100]}: is no video by its name")
        stem = re.sub(r"[^\w.-]+", "_", Path(given).stem).strip("._-")[:_LONGEST_STEM] or "video"
        folder = self.root / RUNS / UPLOADS
        make_folder(folder)
        path = _new(folder, stem, suffix)
        size = 0
        try:
            with partial_of(path).open("xb") as file:
                async for part in parts:
                    size += len(part)
                    if size > limit:
                        raise UserError(f"{path.name}: is larger than {limit / 1e9:.0f} GB; copy it to {self.root}")
                    file.write(part)
            open_one(partial_of(path))
            publish(path)
        except OSError as error:
            raise UserError(f"{path.name}: cannot be kept: {reason_of(error)}") from error
        finally:
            partial_of(path).unlink(missing_ok=True)
        name = str(path.relative_to(self.root))
        self._named[name] = str(path)
        return name


def _below(root: Path) -> list[Path]:
    """What lies in a folder, in the folders in it and in theirs, hidden ones aside; at most so much."""
    found: list[Path] = []
    level = [root]
    for _ in range(3):
        inside = [path for folder in level for path in _entries(folder)]
        found += inside
        level = [path for path in inside if path.is_dir() and not path.is_symlink()][:_MOST_LISTED]
        if len(found) > 20 * _MOST_LISTED:
            break
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _new(folder: Path, stem: str, suffix: str = "") -> Path:
    """A name in a folder that nothing has."""
    numbered = (folder / (stem + (f"-{number}" if number > 1 else "") + suffix) for number in itertools.count(1))
    return next(path for path in numbered if not path.exists() and not partial_of(path).exists())
