"""Time and memory to index 1,000,000 boxes, by format: 10 sequences of 1000 frames with 100 boxes each.

    python benchmarks/indexing.py [FORMAT ...] [--json FILE] [--boxes N]

Each data set is written to a temporary folder and read in a process of its own. Memory is the growth of that process's
resident memory from before reading to its peak. Images are one small file under many names, because readers look at no
more than their size. The files are in the page cache, so that time is that of the reader and not of the disk.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

GOAL_SECONDS, GOAL_MEGABYTES = 10.0, 500.0
WIDTH, HEIGHT = 960, 540
FRAMES, OBJECTS = 1000, 100
"""Frames of a sequence and objects of a frame; object k of a sequence is identity k + 1 in all of its frames."""

_IMAGE = cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()


def sequences(boxes: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and boxes [frames, objects, 4] (left, top, width, height, two decimals) of each sequence."""
    for number in range(max(1, boxes // (FRAMES * OBJECTS))):
        rng = np.random.default_rng(number)
        corner = rng.uniform(0, (WIDTH - 60, HEIGHT - 160), (FRAMES, OBJECTS, 2))
        yield f"{number:04d}", np.concatenate([corner, rng.uniform(10, (60, 160), corner.shape)], axis=2).round(2)


class Folder:
    """Where a data set is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._image: Path | None = None

    def image(self, name: str) -> None:
        """Add an image."""
        path = self._place(name)
        if self._image is None:
            path.write_bytes(_IMAGE)
            self._image = path
        else:
            # a file system may limit how many names a file has
            try:
                os.link(self._image, path)
            except OSError:
                path.write_bytes(_IMAGE)

    def text(self, name: str, lines: list[str]) -> None:
        """Add a text file."""
        self._place(name).write_text("\n".join(lines) + "\n")

    def _place(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def write_motchallenge(folder: Folder, boxes: int) -> None:
    for name, tracks in sequences(boxes):
        rows = []
        for frame, objects in enumerate(tracks.tolist(), 1):
            folder.image(f"{name}/img1/{frame:06d}.jpg")
            rows += [f"{frame},{k},{x},{y},{w},{h},1,1,1" for k, (x, y, w, h) in enumerate(objects, 1)]
        folder.text(f"{name}/gt/gt.txt", rows)


def write_kitti(folder: Folder, boxes: int) -> None:
    for name, tracks in sequences(boxes):
        rows = []
        for frame, objects in enumerate(tracks.tolist()):
            folder.image(f"training/image_02/{name}/{frame:06d}.jpg")
            rows += [
                f"{frame} {k} Car 0 0 -1.57 {x} {y} {x + w:.2f} {y + h:.2f} 1.5 1.6 3.9 1.0 1.5 20.0 -1.6"
                for k, (x, y, w, h) in enumerate(objects)
            ]
        folder.text(f"training/label_02/{name}.txt", rows)


def write_visdrone(folder: Folder, boxes: int) -> None:
    for name, tracks in sequences(boxes):
        rows = []
        for frame, objects in enumerate(tracks.tolist(), 1):
            folder.image(f"sequences/{name}/{frame:07d}.jpg")
            rows += [f"{frame},{k},{x},{y},{w},{h},1,1,0,0" for k, (x, y, w, h) in enumerate(objects)]
        folder.text(f"annotations/{name}.txt", rows)


def _write_shares(folder: Folder, boxes: int, labels: str, identities: bool) -> None:
    for name, tracks in sequences(boxes):
        for frame, objects in enumerate(tracks.tolist(), 1):
            folder.image(f"images/{name}/{frame:06d}.jpg")
            rows = [
                f"0 {f'{k} ' if identities else ''}{(x + w / 2) / WIDTH:.6f} {(y + h / 2) / HEIGHT:.6f} "
                f"{w / WIDTH:.6f} {h / HEIGHT:.6f}"
                for k, (x, y, w, h) in enumerate(objects)
            ]
            folder.text(f"{labels}/{name}/{frame:06d}.txt", rows)


def write_jde(folder: Folder, boxes: int) -> None:
    _write_shares(folder, boxes, "labels_with_ids", identities=True)


def write_yolo(folder: Folder, boxes: int) -> None:
    _write_shares(folder, boxes, "labels", identities=False)


def write_coco(folder: Folder, boxes: int) -> None:
    images, annotations, videos = [], [], []
    for name, tracks in sequences(boxes):
        videos.append({"id": len(videos) + 1, "name": name})
        for frame, objects in enumerate(tracks.tolist(), 1):
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": f"{name}/{frame:06d}.jpg",
                    "width": WIDTH,
                    "height": HEIGHT,
                    "video_id": len(videos),
                    "frame_id": frame,
                }
            )
            folder.image(f"images/{name}/{frame:06d}.jpg")
            for k, (x, y, w, h) in enumerate(objects, 1):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": 1,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                        "track_id": k,
                    }
                )
    content = {
        "videos": videos,
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    folder.text("annotations.json", [json.dumps(content)])


def write_cvat_video(folder: Folder, boxes: int) -> None:
    """One video of all the frames; the tracks of each thousand frames are new ones."""
    meta = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    lines = [f"<annotations>\n<version>1.1</version>\n<meta><task><name>v</name>{meta}</task></meta>"]
    for number, (_, tracks) in enumerate(sequences(boxes)):
        for frame in range(number * FRAMES, (number + 1) * FRAMES):
            folder.image(f"images/frame_{frame:06d}.jpg")
        for k, track in enumerate(tracks.transpose(1, 0, 2).tolist()):
            lines.append(f'  <track id="{number * OBJECTS + k}" label="person" source="manual">')
            lines += [
                f'    <box frame="{frame}" keyframe="0" outside="0" occluded="0" xtl="{x:.2f}" ytl="{y:.2f}" '
                f'xbr="{x + w:.2f}" ybr="{y + h:.2f}" z_order="0">\n    </box>'
                for frame, (x, y, w, h) in enumerate(track, number * FRAMES)
            ]
            lines.append("  </track>")
    folder.text("annotations.xml", [*lines, "</annotations>"])


def write_cvat_images(folder: Folder, boxes: int) -> None:
    lines = ["<annotations>\n<version>1.1</version>\n<meta><task><name>v</name></task></meta>"]
    for name, tracks in sequences(boxes):
        for frame, objects in enumerate(tracks.tolist()):
            folder.image(f"images/{name}/{frame:06d}.jpg")
            key = int(name) * FRAMES + frame
            lines.append(f'  <image id="{key}" name="{name}/{frame:06d}.jpg" width="{WIDTH}" height="{HEIGHT}">')
            lines += [
                f'    <box label="person" source="manual" occluded="0" xtl="{x:.2f}" ytl="{y:.2f}" xbr="{x + w:.2f}" '
                f'ybr="{y + h:.2f}" z_order="0">\n    </box>'
                for x, y, w, h in objects
            ]
            lines.append("  </image>")
    folder.text("annotations.xml", [*lines, "</annotations>"])


def write_crowdhuman(folder: Folder, boxes: int) -> None:
    lines = []
    for name, tracks in sequences(boxes):
        for frame, objects in enumerate(tracks.tolist()):
            folder.image(f"Images/{name},{frame}.jpg")
            found = [{"tag": "person", "fbox": box, "vbox": box, "hbox": box, "extra": {}} for box in objects]
            lines.append(json.dumps({"ID": f"{name},{frame}", "gtboxes": found}))
    folder.text("annotation_train.odgt", lines)


def write_voc(folder: Folder, boxes: int) -> None:
    for name, tracks in sequences(boxes):
        for frame, objects in enumerate(tracks.tolist()):
            folder.image(f"JPEGImages/{name}_{frame:06d}.jpg")
            size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
            lines = [f"<annotation><filename>{name}_{frame:06d}.jpg</filename>{size}"]
            lines += [
                f"<object><name>person</name><difficult>0</difficult><bndbox><xmin>{x:.0f}</xmin><ymin>{y:.0f}</ymin>"
                f"<xmax>{x + w:.0f}</xmax><ymax>{y + h:.0f}</ymax></bndbox></object>"
                for x, y, w, h in objects
            ]
            folder.text(f"Annotations/{name}_{frame:06d}.xml", [*lines, "</annotation>"])


def write_detections(folder: Folder, boxes: int) -> None:
    """COCO results, whose images are found by the number that is their name."""
    rows = []
    for name, tracks in sequences(boxes):
        for frame, objects in enumerate(tracks.tolist(), int(name) * FRAMES + 1):
            folder.image(f"images/{frame:012d}.jpg")
            rows += [{"image_id": frame, "category_id": 1, "bbox": bbox, "score": 0.75} for bbox in objects]
    folder.text("results.json", [json.dumps(rows)])


WRITERS: dict[str, Callable[[Folder, int], None]] = {
    "motchallenge": write_motchallenge,
    "coco": write_coco,
    "yolo": write_yolo,
    "jde": write_jde,
    "kitti": write_kitti,
    "visdrone": write_visdrone,
    "crowdhuman": write_crowdhuman,
    "cvat (video)": write_cvat_video,
    "cvat (images)": write_cvat_images,
    "voc": write_voc,
    "detections": write_detections,
}


def memory(peak: bool) -> float:
    """This process's resident memory in megabytes, now or at its peak."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage's peak is, after a start from a large process, that process's
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM" if peak else "VmRSS"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def read(root: Path) -> dict[str, float]:
    """Index a data set in this process."""
    from clmot.datasets.readers import read_dataset

    before = memory(peak=False)
    processor, wall = time.process_time(), time.perf_counter()
    dataset = read_dataset([root], identities=True)
    return {
        "cpu_seconds": time.process_time() - processor,
        "wall_seconds": time.perf_counter() - wall,
        "megabytes": memory(peak=True) - before,
        "boxes": sum(len(sample.boxes) for sample in dataset.samples),
    }


def measure(write: Callable[[Folder, int], None], boxes: int) -> dict[str, float]:
    """Write a data set and index it in a process of its own."""
    with tempfile.TemporaryDirectory() as root:
        write(Folder(Path(root)), boxes)
        command = [sys.executable, __file__, "--read", root]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(WRITERS))
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        print(json.dumps(read(options.read)))
        return
    chosen = [name for name in WRITERS if not options.formats or any(name.startswith(each) for each in options.formats)]
    print(f"{'format':<16}{'boxes':>10}{'cpu s':>8}{'wall s':>8}{'of goal':>9}{'MB':>7}{'of goal':>9}")
    table = {}
    for name in chosen:
        table[name] = row = measure(WRITERS[name], options.boxes)
        print(
            f"{name:<16}{row['boxes']:>10}{row['cpu_seconds']:>8.1f}{row['wall_seconds']:>8.1f}"
            f"{row['wall_seconds'] / GOAL_SECONDS:>8.2f}x{row['megabytes']:>7.0f}"
            f"{row['megabytes'] / GOAL_MEGABYTES:>8.2f}x",
            flush=True,
        )
    if options.json is not None:
        goals = {"wall_seconds": GOAL_SECONDS, "megabytes": GOAL_MEGABYTES}
        options.json.write_text(json.dumps({"indexing": table, "goals": goals}, indent=2) + "\n")


if __name__ == "__main__":
    main()
