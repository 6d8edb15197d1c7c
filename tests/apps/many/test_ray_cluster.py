"""A Ray cluster on this machine, where Ray is installed (`pip install 'clmot[ray]'`)."""

from pathlib import Path

import pytest

from clmot.apps.many.claims import Attempt
from clmot.apps.many.engines import open_engine
from clmot.apps.many.run import track_many
from clmot.apps.many.video import Video
from clmot.apps.many.work import Job
from clmot.apps.track.configured_model import load_configured
from clmot.apps.track.pipeline import track

pytest.importorskip("ray")


@pytest.mark.slow
def test_an_actor_that_is_killed_costs_nothing(clips: Path, job: Job, tmp_path: Path) -> None:
    from clmot.apps.many.ray_cluster import RayActors

    track(
        clips / "v", load_configured(job.model, job.settings, "cpu"), tmp_path / "quiet", progress=False, **job.options
    )
    killed: list[str] = []

    def engine(job: Job) -> RayActors:
        workers = open_engine("ray", job, 1)
        assert isinstance(workers, RayActors)
        submit = workers.submit

        def killing(video: Video, attempt: Attempt) -> None:
            submit(video, attempt)
            if not killed:
                killed.append(video.name)
                workers.give_up(attempt)

        workers.submit = killing  # type: ignore[method-assign]
        return workers

    assert track_many([clips / "v"], job, engine, progress=False).done == 6
    assert killed
    for file in (tmp_path / "quiet").glob("*.txt"):
        assert (job.out / file.name).read_bytes() == file.read_bytes()
