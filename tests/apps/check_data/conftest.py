"""Small data sets without a fault, into which tests plant one."""

import json
from pathlib import Path

import cv2
import pytest
from check_data_scenes import HEIGHT, WIDTH, mot_rows, picture, write_rows

from clmot.apps.check_data import check


@pytest.fixture
def make_mot():
    """Writes a MOTChallenge sequence."""

    def make(folder, rows=None, frames=6, seed=0, suffix=".png", size=(WIDTH, HEIGHT)):
        (folder / "img1").mkdir(parents=True, exist_ok=True)
        (folder / "gt").mkdir(exist_ok=True)
        for frame in range(1, frames + 1):
            cv2.imwrite(str(folder / "img1" / f"{frame:06d}{suffix}"), picture(1000 * seed + frame, size))
        write_rows(folder, mot_rows(frames) if rows is None else rows)
        return folder

    return make


@pytest.fixture
def make_coco():
    """Writes a COCO file and pictures for all its images."""

    def make(folder, content, seed=0):
        folder.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(content["images"]):
            if isinstance(image, dict) and isinstance(image.get("file_name"), str):
                cv2.imwrite(str(folder / image["file_name"]), picture(1000 * seed + i))
        (folder / "boxes.json").write_text(json.dumps(content))
        return folder / "boxes.json"

    return make


@pytest.fixture
def found():
    """The findings at some paths by the name of their check."""

    def find(*paths: Path, **options):
        report = check(paths, **options).report
        by_name = {finding.check: finding for finding in report.findings}
        assert len(paths) > 1 or len(by_name) == len(report.findings), "one finding a check"
        for finding in report.findings:
            assert finding.count > 0
            assert finding.what
            assert finding.advice
        return by_name

    return find
