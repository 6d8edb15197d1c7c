"""One worker: it has a model, and brings one video after the other from its claim to its results."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import glob
import json
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clmot.apps.many.claims import LEASE, Attempt
from clmot.apps.many.manifest import DONE, ERROR, Manifest, Row
from clmot.apps.many.remote import fetched
from clmot.apps.many.sources import file_hash
from clmot.apps.many.video import Video, digest
from clmot.apps.track.configured_model import Settings, stated_rate
from clmot.apps.track.result_folder import MANY_RECORDS, RECORD
from clmot.config import parse_overrides
from clmot.errors import UserError, reason_of, require
from clmot.io.atomic import make_folder, partial_of, write_whole_json
from clmot.io.interrupts import Terminated

STALLED = 70
"""Exit code of a process that ended itself as its video gave no frame."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STATE = "unfinished.safetensors"
_BEATS = 8
"""Signs of life in the time of a lease."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is done to every video; it can be sent to other processes and machines.

    Attributes:
        out: the result folder.
        model, device, runtime, settings, detector: as of `clmot track`.
        options: arguments of `clmot.apps.track.pipeline.track`.
        retries: after how many attempts that fail one more is the last.
        lease: seconds, as of `clmot.apps.many.claims`.
        stall: seconds without a frame after which a video is given up.
        save_every: seconds between two states to go on from.
    """

    out: Path
    model: str
    device: str = "auto"
    runtime: str = "auto"
    settings: Settings = ()
    detector: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 2
    lease: float = LEASE
    stall: float = 600.0
    save_every: float = 300.0

    def fingerprint(self) -> str:
        """Hash of all that changes results, but the content of the videos."""
        from clmot.shipped import find_model

        facts = [self.detector, str([sections for sections, _ in self.settings]), repr(sorted(self.options.items()))]
        model, mask = find_model(self.model), getattr(self.options.get("objects"), "mask", None)
        files = sorted(model.rglob("model.safetensors")) if model.is_dir() else [model, model.with_suffix(".bin")]
        contents = [file_hash(file) for file in (*files, *([Path(mask)] if mask else [])) if file.is_file()]
        return digest(*facts, *(contents or [self.model]))


class DiskFull(Exception):
    """No video's fault; nothing more can be done."""


class Worker:
    """A model in a process.

    Args:
        job: what is done.
        index: which worker it is: of several GPUs each has its share of workers.

    Raises:
        UserError: the model cannot be loaded, or the result folder not read.
    """

    def __init__(self, job: Job, index: int = 0) -> None:
        from clmot.apps.track.configured_model import load_configured, load_detector_for

        self._job, self._manifest = job, Manifest(job.out, job.lease)
        self._manifest.refresh()
        device = _share_of(job.device, index)
        self._model = load_configured(job.model, job.settings, device, job.runtime)
        self._detector = load_detector_for(self._model, job.detector, device) if job.detector else None
        self._config = self._model.config
        self._checkpoint: Any = None
        self._stopped = False

    def stop(self) -> None:
        """End at the next frame, and write where the video is (called by a signal)."""
        self._stopped = True
        if self._checkpoint is not None:
            self._checkpoint.stop = True

    def run(self, video: Video, attempt: Attempt) -> Row | None:
        """Track one video; the row that was written of it, None where another process has it.

        Raises:
            Terminated: `stop` was called; the video can be gone on with.
            DiskFull: likewise.
            UserError: the manifest cannot be written.
        """
        from clmot.apps.track.checkpoint import Checkpoint

        if self._stopped:
            raise Terminated
        try:
            if not self._manifest.claim(attempt):
                return None
            folder = self._work_folder(attempt)
            self._checkpoint = Checkpoint(folder / _STATE, self._job.save_every)
            self._checkpoint.stop = self._stopped
            with self._signs_of_life(video, attempt):
                result = self._track(video, folder)
            if not self._manifest.claims.is_held(attempt):
                return None  # this process was taken for dead: another one does it, or has done it
            row = self._finish(video, attempt, folder, result)
        except Terminated:
            self._manifest.claims.release(attempt)
            raise
        except Exception as error:
            if _is_full(error):
                self._manifest.claims.release(attempt)
                raise DiskFull(reason_of(error)) from error
            told = reason_of(error) if isinstance(error, UserError) else f"{type(error).__name__}: {reason_of(error)}"
            row = self.row(video, attempt, ERROR, error=told)
            try:
                self._manifest.append(row)
            except UserError as failure:
                raise DiskFull(str(failure)) from failure
        finally:
            self._checkpoint = None
        return row

    def row(self, video: Video, attempt: Attempt, state: str, **facts: Any) -> Row:
        """A row of the manifest about an attempt."""
        who: Any = {"source": video.origin, "content": video.content, "worker": f"{platform.node()} {os.getpid()}"}
        return Row(attempt.name, attempt.key, state, attempt.number, time.time(), **who, **facts)

    def _track(self, video: Video, folder: Path) -> Any:
        from clmot.apps.track.pipeline import track
        from clmot.io.sources import open_one

        own = [each for each in video.settings if not each.startswith("fps=")]
        fps = [float(each.removeprefix("fps=")) for each in video.settings if each.startswith("fps=")]
        self._model.config = self._config.updated(parse_overrides(own), "list") if own else self._config
        rate = next(iter(fps), self._job.options.get("frame_rate"))
        if rate is None:
            rate = stated_rate(self._model.config, [*self._job.settings, (parse_overrides(own), "list")])
        with fetched(video.origin) as path:
            source = open_one(path)
            require(not source.live, f"{video.origin}: is a camera, which has no end; track it by itself")
            source = dataclasses.replace(source, name=video.name, origin=video.origin)
            (result,) = track(
                source,
                self._model,
                folder,
                detector=self._detector,
                **{**self._job.options, "frame_rate": rate},
                checkpoint=self._checkpoint,
                overwrite=True,
                progress=False,
            )
        return result

    def _work_folder(self, attempt: Attempt) -> Path:
        """The attempt's own folder, with what it can go on from: its own, or of the last attempt that was cut off."""
        work = self._manifest.folder / "work"
        folder = work / attempt.file
        make_folder(folder)
        earlier = (
            work / Attempt(attempt.name, attempt.key, number).file for number in range(attempt.number - 1, 0, -1)
        )
        if not (folder / _STATE).exists() and self._manifest.was_cut_off(attempt):
            for before in earlier:
                if (before / _STATE).exists():
                    shutil.copytree(before, folder, dirs_exist_ok=True)  # its process may not be dead after all
                    break
        if (folder / _STATE).exists():
            for file in folder.glob(f"{glob.escape(attempt.name)}.*"):
                # an end in order has given them their names
                if file.suffix in (".txt", ".csv"):
                    file.replace(partial_of(file))
        return folder

    def _finish(self, video: Video, attempt: Attempt, folder: Path, result: Any) -> Row:
        """Bring the results where they belong, and say so in the manifest."""
        files = sorted(each.name for each in folder.iterdir() if each.name not in (_STATE, RECORD))
        files = [name for name in files if not name.endswith(".partial")]
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))[video.name]
        before = self._manifest.rows.get(video.name)
        for name in files:
            (folder / name).replace(self._job.out / name)
        for name in set(before.files if before and before.state == DONE else ()) - set(files):
            (self._job.out / name).unlink(missing_ok=True)
        write_whole_json(self._job.out / MANY_RECORDS / f"{video.name}.json", record, "the record of the results")
        counts = {name: getattr(result, name) for name in ("frames", "undecodable", "tracks")}
        mine = [name for name in files if name.startswith(f"{video.name}.")]
        row = self.row(video, attempt, DONE, seconds=round(result.seconds, 3), files=tuple(mine), **counts)
        self._manifest.append(row)
        for number in range(attempt.number, 0, -1):
            shutil.rmtree(folder.with_name(Attempt(attempt.name, attempt.key, number).file), ignore_errors=True)
        return row

    @contextlib.contextmanager
    def _signs_of_life(self, video: Video, attempt: Attempt) -> Iterator[None]:
        """Touch the claim while frames come; where none comes for too long, end this process with the video."""
        ended = threading.Event()

        def beat() -> None:
            seen, since = -1, time.monotonic()
            pause = min(self._job.lease / _BEATS, self._job.stall / 4)
            while not ended.wait(pause):
                checkpoint = self._checkpoint
                if checkpoint is None or checkpoint.frames != seen:
                    seen, since = checkpoint.frames if checkpoint else -1, time.monotonic()
                elif time.monotonic() - since > self._job.stall:
                    told = f"gave no frame for {self._job.stall:g} seconds, after {max(seen, 0)}"
                    with contextlib.suppress(UserError):
                        self._manifest.append(self.row(video, attempt, ERROR, error=told))
                    os._exit(STALLED)
                self._manifest.claims.touch(attempt)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _share_of(device: str, index: int) -> str:
    """Of several GPUs, the one of a worker."""
    if device not in ("auto", "cuda"):
        return device
    with contextlib.suppress(ImportError):
        import torch

        if torch.cuda.device_count() > 1:
            return f"cuda:{index % torch.cuda.device_count()}"
    return device


def _is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a disk that takes no more."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False
