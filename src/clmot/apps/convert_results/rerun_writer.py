"""Tracks as a recording for the viewer of rerun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clmot.apps.convert_results.attributes import NAME
from clmot.apps.convert_results.sequence import TrackedSequence
from clmot.errors import UserError
from clmot.io.atomic import whole_file
from clmot.visualize.draw import track_colour

if TYPE_CHECKING:
    from clmot.apps.convert_results.writers import Target


def write_rerun(sequence: TrackedSequence, to: Target) -> None:
    """A recording (.rrd): boxes over the video, which goes along where it is a file, with their ids and scores.

    Raises:
        UserError: rerun is not installed, or the file cannot be written.
    """
    try:
        import rerun
    except ModuleNotFoundError as error:
        raise UserError("rerun recordings need rerun-sdk: pip install 'clmot[rerun]'") from error
    with whole_file(to.out, "the recording") as partial:
        recording = rerun.RecordingStream("clmot", recording_id=sequence.name)
        recording.save(str(partial))
        video = None if to.source is None or to.source.images else rerun.AssetVideo(path=to.source.origin)
        if video is not None:
            recording.log("video", video, static=True)
            stamps = video.read_frame_timestamps_nanos()
        there = {tracked.frame: tracked for tracked in sequence.frames}
        for number in range(1, sequence.length + 1):
            seconds = (number - 1) / to.frame_rate
            recording.set_time("frame", sequence=number)
            recording.set_time("time", duration=seconds)
            if video is not None and number <= len(stamps):
                at = rerun.VideoFrameReference(nanoseconds=int(stamps[number - 1]), video_reference="video")
                recording.log("video", at)
            elif to.source is not None and number in to.source.images:
                recording.log("video", rerun.EncodedImage(path=to.source.images[number]))
            tracked = there.get(number)
            if tracked is None:
                recording.log("video/tracks", rerun.Clear(recursive=False))
                continue
            ids, found = tracked.track_id.tolist(), tracked.detections
            names = [sequence.attributes.get(track, {}).get(NAME, "") for track in ids]
            kinds = [sequence.classes[kind] for kind in found.class_id.tolist()]
            labels = [" ".join(filter(None, each)) for each in zip(map(str, ids), names, kinds, strict=True)]
            boxes = rerun.Boxes2D(
                array=found.xyxy,
                array_format=rerun.Box2DFormat.XYXY,
                labels=labels,
                colors=[track_colour(track) for track in ids],
                show_labels=True,
            )
            recording.log("video/tracks", boxes)
            recording.log("video/tracks", rerun.AnyValues(track_id=tracked.track_id, score=found.score))
        recording.disconnect()
