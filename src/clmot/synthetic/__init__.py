"""Synthetic street scenes: the embedded data set.

`write_scenes` makes MOTChallenge folders; `Scene` renders single frames with their ground truth.
"""

from clmot.synthetic.cast import Actor, Event
from clmot.synthetic.scene import Frame, Scene
from clmot.synthetic.writer import SceneSummary, write_scenes

__all__ = ["Actor", "Event", "Frame", "Scene", "SceneSummary", "write_scenes"]
