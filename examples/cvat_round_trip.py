"""Tracks to CVAT, corrected there, and back: scored, and learned from.

python examples/cvat_round_trip.py propose street.mp4 --out street
python examples/cvat_round_trip.py learn street.mp4 corrected.xml --out street

The first makes street/street.xml, which CVAT takes as *CVAT for video 1.1* on a task of the same video. What CVAT
exports in the same format is given to the second.
"""

from pathlib import Path

import cyclopts

import clmot

app = cyclopts.App()


@app.command
def propose(video: Path, *, out: Path, model: str = "clmot-pedestrian") -> Path:
    """Track a video and write what CVAT imports."""
    clmot.track(video, model, out / "found")
    file = out / f"{video.stem}.xml"
    clmot.convert_results(out / "found" / f"{video.stem}.txt", file, "cvat", video=video)
    return file


@app.command
def learn(video: Path, corrected: Path, *, out: Path, steps: int = 300) -> Path:
    """Make MOTChallenge text of corrected tracks, and train on them with their identities."""
    results = out / "corrected" / f"{video.stem}.txt"
    results.parent.mkdir(parents=True, exist_ok=True)
    clmot.convert_results(corrected, results, "motchallenge", video=video, overwrite=True)
    annotated = out / "annotated"  # a video and text of its name beside it are annotated data
    annotated.mkdir(exist_ok=True)
    (annotated / video.name).unlink(missing_ok=True)
    (annotated / video.name).symlink_to(video.resolve())
    (annotated / results.name).write_text(results.read_text())
    config = clmot.load_config(overrides=[f"train.steps={steps}", "data.identities=true"])
    return clmot.train(annotated / video.name, out / "run", config)


if __name__ == "__main__":
    app()
