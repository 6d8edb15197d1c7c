"""Run by `make lite` where there is no torch: the shipped model tracks there, from the command line and Python."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import clmot
from clmot.errors import UserError
from clmot.io.image import read_image

COMMAND = [sys.executable, "-m", "clmot"]


def main() -> None:
    for package in ("torch", "torchvision", "timm"):
        assert importlib.util.find_spec(package) is None, f"{package} is installed"
    with tempfile.TemporaryDirectory() as folder:
        scenes, results = Path(folder, "scenes"), Path(folder, "results")
        synth = ["data", "synth", str(scenes), "--frames", "1", "--clips", "1", "--clip-frames", "12"]
        subprocess.run([*COMMAND, *synth], check=True)
        (clip,) = (scenes / "clips").iterdir()
        subprocess.run([*COMMAND, "track", str(clip), "--out", str(results), "--video"], check=True)
        rows = (results / f"{clip.name}.txt").read_text().splitlines()
        assert rows, "no tracks"
        assert (results / f"{clip.name}.mp4").stat().st_size > 1000
        image = read_image(clip / "img1" / "000001.jpg")
    model = clmot.load_model("clmot-pedestrian")
    found = model.detect(image)
    assert found.embedding is not None
    assert found.embedding.shape == (len(found), 512)
    assert model.tracker().update(found, image).frame == 1
    try:
        clmot.load_model("clmot-pedestrian", precision="bf16")
    except UserError as error:
        print(f"as it should be: {error}")
    else:
        raise AssertionError("a precision that this runtime has not is refused")
    print("tracking works without torch")


if __name__ == "__main__":
    main()
