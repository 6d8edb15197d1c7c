"""The map for newcomers leads somewhere."""

import re
from pathlib import Path

import clmot

ROOT = Path(__file__).parents[1]


def test_every_path_of_the_map_is_there():
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| Question | File |")[2]
    paths = re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py)?|[a-z_]+\.py)`", table)
    assert len(paths) > 30
    assert [path for path in paths if not (Path(clmot.__file__).parent / path).exists()] == []
