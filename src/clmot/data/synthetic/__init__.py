"""Synthetic street scenes: the embedded data set.

`write_scenes` makes MOTChallenge folders; `Scene` renders single frames with their ground truth.
"""

from clmot.data.synthetic.cast import Actor, Event
from clmot.data.synthetic.scene import Frame, Scene
from clmot.data.synthetic.writer import SceneSummary, write_scenes

__all__ = ["Actor", "Event", "Frame", "Scene", "SceneSummary", "write_scenes"]
