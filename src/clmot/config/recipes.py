"""Named recipes: each modifies the defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from clmot.config.config import Config

Recipe = Callable[[Config], Config]


def street(base: Config) -> Config:
    """A narrow ResNet of about one million parameters, from random weights, for two CPU cores: the default."""
    return base


def demo(base: Config) -> Config:
    """`street` in five minutes: smaller images, milder views, people hardly seen left out."""
    return dataclasses.replace(
        street(base).updated({"tracker": {"high_score": 0.5, "low_score": 0.3, "new_track_score": 0.5}}),
        data=dataclasses.replace(base.data, min_visibility=0.25),
        views=dataclasses.replace(base.views, scale=(0.8, 1.25), shift=0.05, rotate=2.0),
        model=dataclasses.replace(base.model, image_size=(384, 224)),
        train=dataclasses.replace(base.train, steps=800, ema=0.98),
    )


def mobilenet(base: Config) -> Config:
    """MobileNetV2 with ImageNet weights (timm's, or a file named by `model.pretrained`), for photographs."""
    model = dataclasses.replace(
        base.model,
        encoder="mobilenetv2_100",
        pretrained="timm",
        levels=("colour", "stride4", "stride8"),
        stripes=12,
        embedding_dimension=512,
    )
    return dataclasses.replace(
        base,
        model=model,
        loss=dataclasses.replace(base.loss, contrast="parts"),
        train=dataclasses.replace(base.train, learning_rate=2e-3),
    )


def yolox_nano(base: Config) -> Config:
    """YOLOX-nano finds objects of COCO as it is (`model.pretrained=yolox_nano.onnx`); its embedding alone learns."""
    base = mobilenet(base)
    model = dataclasses.replace(
        base.model, encoder="yolox_nano", neck="yolox", image_size=(512, 384), width=64, pretrained="none"
    )
    return dataclasses.replace(
        base,
        model=model,
        train=dataclasses.replace(base.train, learn="embedding"),
        views=dataclasses.replace(base.views, scale=(0.6, 1.6)),
    )


def animals(base: Config) -> Config:
    """`street` for bodies seen from above that turn: views of any direction, one part in place of upright stripes."""
    return dataclasses.replace(
        base,
        views=dataclasses.replace(base.views, rotate=180.0),
        model=dataclasses.replace(base.model, image_size=(320, 320), stripes=1),
    )


def dla34(base: Config) -> Config:
    """FairMOT's and CL-MOT's main network, DLA-34 with a deformable decoder, from ImageNet weights, for a GPU."""
    return _published_network(base, encoder="dla34", neck="dla", deformable=True)


def resnet(depth: int, deformable: bool) -> Recipe:
    """Recipe of FairMOT's ResNet-FPN of a depth that timm has, with deformable or plain convolutions in the decoder."""

    def recipe(base: Config) -> Config:
        """FairMOT's ResNet-FPN, from ImageNet weights, for a GPU."""
        return _published_network(base, encoder=f"resnet{depth}", neck="deconvolution", deformable=deformable)

    return recipe


def hrnet(width: int) -> Recipe:
    """Recipe of FairMOT's HRNetV2 of a width that timm has."""

    def recipe(base: Config) -> Config:
        """FairMOT's HRNetV2, from ImageNet weights, for a GPU."""
        # the branches themselves, without the classifier's widening of them
        options = {"feature_location": ""}
        return _published_network(base, encoder=f"hrnet_w{width}", encoder_options=options, neck="concat")

    return recipe


def _published_network(base: Config, **network: Any) -> Config:
    """FairMOT's heads, input and pooling around some encoder and neck."""
    model = dataclasses.replace(
        base.model,
        pretrained="timm",
        image_size=(1088, 608),
        normalise="none",
        head_width=256,
        pooling="center",
        embedding_dimension=128,
        **network,
    )
    return dataclasses.replace(
        base, model=model, train=dataclasses.replace(base.train, batch_size=12, learning_rate=1e-3)
    )


def paper(base: Config) -> Config:
    """CL-MOT after its published code, with the network `dla34`: losses, targets and pooling equal its formulas.

    What differs, in brackets what is published: views are zoomed log-uniformly about a random point (uniformly, about
    the centre), shifted by up to a tenth of each side (of the other side) and not sheared (by up to 2 degrees); boxes
    too little of which is left are ignored (background); the offset of a centre in the last row or column of cells is
    as elsewhere (0); triplet_hard counts boxes with a positive and a negative only (all boxes); tracks that are wide or
    tiny are shown (not above `tracker.max_aspect` 1.6, nor up to `tracker.min_area` 200).
    """
    return _published_training(dla34(base)).updated(
        {
            "views": {"published": True},
            "model": {"embedding_dimension": 512, "size": "extent"},
            "loss": {
                # width and height are given as four halves: their mean error is half of that of the two
                "size_weight": 0.2,
                "detection_views": "first",
                "temperature": 0.5,
                "negatives": "frame",
                "task_weights": "fixed",
            },
            "train": {"schedule": "two-steps"},
            "detect": {"score_threshold": 0.6, "max_detections": 128},
            "tracker": {
                "high_score": 0.6,
                "low_score": 0.6,
                "new_track_score": 0.6,
                "appearance_threshold": 0.7,
                "mean_subtraction": 0.0,
            },
        }
    )


def fairmot(base: Config) -> Config:
    """FairMOT as published, supervised: the arm with identity labels next to `paper`.

    FairMOT learns from one view of a frame. Here it gets two, as every other recipe does: twice the images a step.
    Views differ from its code as in `paper`, the centre of a box that the border cuts is that of its visible part, and
    boxes whose centre is outside count from 35 % of their area (a tenth).
    """
    return _published_training(dla34(base)).updated(
        {
            "data": {"identities": True},
            "loss": {"objective": "identity", "size_weight": 0.1},
            "detect": {"score_threshold": 0.4, "max_detections": 500},
        }
    )


def _published_training(base: Config) -> Config:
    """What FairMOT and CL-MOT share: views, optimiser, schedule, and one association of one kind of detections."""
    return base.updated(
        {
            "data": {"min_visibility": 0},
            "views": {
                "scale": (0.5, 1.2),
                "aspect": 0,
                "shift": 0.1,
                "rotate": 5,
                "mirror": 0.5,
                "colour": 0,
                "hsv": 0.5,
            },
            "train": {
                "epochs": 30,
                "batch_size": 12,
                "optimizer": "adam",
                "learning_rate": 1e-4,
                "schedule": "step",
                "warmup_steps": 0,
                "ema": 0,
                "precision": "32-true",
            },
            "tracker": {"preset": "fairmot"},
        }
    )


RECIPES: dict[str, Recipe] = {
    "street": street,
    "demo": demo,
    "mobilenet": mobilenet,
    "yolox_nano": yolox_nano,
    "animals": animals,
    "dla34": dla34,
    "paper": paper,
    "fairmot": fairmot,
    "resnet18": resnet(18, deformable=False),
    "resnet34": resnet(34, deformable=False),
    "resnet50": resnet(50, deformable=False),
    "resnet18-dcn": resnet(18, deformable=True),
    "resnet34-dcn": resnet(34, deformable=True),
    "resnet50-dcn": resnet(50, deformable=True),
    "hrnet18": hrnet(18),
    "hrnet32": hrnet(32),
}
"""By name."""
