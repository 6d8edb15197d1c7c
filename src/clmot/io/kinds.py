"""What a file is by its first bytes, to be named where something else is expected."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

_STARTS = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"RIFF": "a picture, video or sound",
    b"<?xml": "XML",
    b"%PDF": "PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x80": "a pickled file, as old PyTorch saves it (.pt, .pth)",
}


def kind_of(path: Path) -> str:
    """What a path is, with an article, as for ``FILE is ...``; never fails."""
    if path.is_dir():
        return "a folder"
    try:
        with path.open("rb") as file:
            start = file.read(4096)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = {name.partition("/")[2] for name in archive.namelist()}
            if "data.pkl" not in names:
                return "a ZIP archive"
            return "TorchScript" if "constants.pkl" in names else "a PyTorch file (.pt, .pth)"
        length = int.from_bytes(start[:8], "little")
        if start[8:9] == b"{" and length < 100_000_000:
            with path.open("rb") as file:
                file.seek(8)
                said = json.loads(file.read(length)).get("__metadata__", {}).get("format", "")
            return f"a {said} file" if said.startswith("clmot ") else "a safetensors file"
        if start[4:8] == b"ftyp":
            return "a video or picture" if _has_index(path) else "a video without its index: its recording did not end"
    except Exception:  # zipfile raises whatever it stumbles upon, and the header may be of any type
        return "a damaged file" if path.exists() else "no file"
    known = next((kind for begin, kind in _STARTS.items() if start.startswith(begin)), None)
    if known:
        return known
    if not start:
        return "an empty file"
    if path.suffix.lower() == ".onnx":
        return "ONNX"
    text = start.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if "\0" in text or "\ufffd" in text[:-1]:
        return "a binary file"
    return "JSON" if text[:1] in ("{", "[") else "text"


def _has_index(path: Path) -> bool:
    """Whether a file of MP4's kind (ISO 14496-12) has the part that says where its frames are: it is written last."""
    with path.open("rb") as file:
        while header := file.read(16):
            if header[4:8] in (b"moov", b"meta", b"moof"):
                return True
            size = int.from_bytes(header[:4]) if header[:4] != b"\0\0\0\1" else int.from_bytes(header[8:])
            if size < 8:
                return False
            file.seek(size - len(header), 1)
    return False
