"""Valid files made invalid: changes that know where numbers, words, keys and rows are, and changes of bytes."""

from __future__ import annotations

import json
import random
import re
import struct
from typing import Any

NUMBERS = (
    "0 -0 1 -1 2 255 256 65535 65536 2147483647 2147483648 -2147483648 4294967296 9223372036854775807 "
    "9223372036854775808 -9223372036854775809 18446744073709551616 1e308 1e309 -1e309 1e-320 1e400 nan NaN inf -inf "
    "Infinity -Infinity 0x10 1_000 1e 1.5.2 .5 5. +3 ++3 ٣ ½ 1e5 100000000 99999999999 0.1 True null none ''"
).split()
WORDS = (
    *" |\t|\0|\x1b[31m|\ufeff|\u202e|\ud7ff|é|人|😀|../../etc/passwd|/etc/passwd|C:\\x\\y.jpg".split("|"),
    *"\\\\host\\share\\x.jpg file:///etc/passwd http://[::1 http://[ data/images/?d= /data/local-files/?d=".split(),
    *"x\0y.jpg . .. / =1+1 <script> %s%n {} [] ~ &a *a null true - --- ... # , ;".split(),
    *"utf-16 utf-7 idna undefined hex unicode_escape 0:0:0 2020-01-01 ² ٣ 1e5".split(),
    *("", "!!python/object/apply:os.system [id]", "<<: *a", "a" * 5000, "9" * 400, "9" * 5000),
)
_TOKEN = re.compile(rb"[-+]?[0-9][0-9.eE+-]*|[A-Za-z_][\w.-]*")


def mutated(content: bytes, kind: str, seed: random.Random) -> bytes:
    """One to four changes of a file's content; `kind` of json, text and bytes says of what sort."""
    if kind == "json" and seed.random() < 0.6:
        return _changed_json(content, seed)
    if kind == "safetensors" and seed.random() < 0.7:
        return _changed_header(content, seed)
    for _ in range(seed.choice((1, 1, 1, 2, 4))):
        change = seed.choice(_BYTES if kind in ("bytes", "safetensors") else _TEXT)
        content = change(content, seed)
    return content


def _token(content: bytes, seed: random.Random) -> bytes:
    found = list(_TOKEN.finditer(content[:200_000]))
    if not found:
        return content + seed.choice(WORDS).encode()
    at = seed.choice(found)
    if seed.random() < 0.25:  # by one of its own
        other = seed.choice(found)[0]
    elif at[0][:1].isdigit() or at[0][:1] in b"+-" or seed.random() < 0.3:
        other = seed.choice(NUMBERS).encode()
    else:
        other = seed.choice(WORDS).encode()
    return content[: at.start()] + other + content[at.end() :]


def _rows(content: bytes, seed: random.Random) -> bytes:
    rows = content.split(b"\n")
    at, to = seed.randrange(len(rows)), seed.randrange(len(rows))
    what = seed.randrange(5)
    if what == 0:
        del rows[at]
    elif what == 1:
        rows.insert(to, rows[at])
    elif what == 2:
        rows[at], rows[to] = rows[to], rows[at]
    elif what == 3:
        rows[at] = b"".join(seed.sample(rows[at].split(), min(3, len(rows[at].split()))))
    else:
        rows[at] = rows[at][: seed.randrange(len(rows[at]) + 1)]
    return b"\n".join(rows)


def _insert(content: bytes, seed: random.Random) -> bytes:
    at = seed.randrange(len(content) + 1)
    return content[:at] + seed.choice((*WORDS, *"{}[]<>&:,-#'\"|*!%@`\n\t ")).encode() + content[at:]


def _delimiter(content: bytes, seed: random.Random) -> bytes:
    marks = [i for i, each in enumerate(content[:200_000]) if each in b",;:{}[]<>/=\"'&-|\n \t"]
    if not marks:
        return content
    at = seed.choice(marks)
    return content[:at] + seed.choice((b"", b",", b":", b"[", b"{", b'"', b"<", b" ", b"\n", b"&")) + content[at + 1 :]


def _flip(content: bytes, seed: random.Random) -> bytes:
    if not content:
        return b"\0"
    at = seed.randrange(min(len(content), 4096) if seed.random() < 0.7 else len(content))
    return content[:at] + bytes([content[at] ^ (1 << seed.randrange(8))]) + content[at + 1 :]


def _word(content: bytes, seed: random.Random) -> bytes:
    """A number of 1, 2, 4 or 8 bytes in place of what is there."""
    size, order = seed.choice((1, 2, 4, 8)), seed.choice("<>")
    value = seed.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 100_000, 2**63, 2**64 - 1, 255, seed.getrandbits(64)))
    packed = struct.pack(f"{order}Q", value % (1 << (8 * size)))
    packed = packed[:size] if order == "<" else packed[-size:]
    at = seed.randrange(max(1, min(len(content), 4096) if seed.random() < 0.7 else len(content)))
    return content[:at] + packed + content[at + size :]


def _cut(content: bytes, seed: random.Random) -> bytes:
    at, to = sorted(seed.randrange(len(content) + 1) for _ in range(2))
    return seed.choice((content[:at], content[:at] + content[to:], content[to:], content + content[at:to]))


_TEXT = (_token, _token, _token, _token, _rows, _rows, _insert, _delimiter, _flip, _cut)
_BYTES = (_flip, _flip, _word, _word, _word, _cut, _token)


def _changed_json(content: bytes, seed: random.Random) -> bytes:
    lines = content.split(b"\n")
    try:
        value = json.loads(content)
        return json.dumps(_changed(value, seed)).encode()
    except ValueError:  # one a line
        at = seed.randrange(len(lines))
        try:
            lines[at] = json.dumps(_changed(json.loads(lines[at]), seed)).encode()
        except ValueError:
            lines[at] = _token(lines[at], seed)
        return b"\n".join(lines)


def _changed(value: Any, seed: random.Random) -> Any:
    """A JSON value in which something, somewhere, is something else, gone, there twice or new."""
    if isinstance(value, dict) and value and seed.random() < 0.9:
        key = seed.choice(list(value))
        what = seed.random()
        if what < 0.75:
            return {**value, key: _changed(value[key], seed)}
        if what < 0.9:
            return {name: each for name, each in value.items() if name != key}
        return {**value, seed.choice((*value, *WORDS)): _other(seed, 2)}
    if isinstance(value, list) and value and seed.random() < 0.9:
        at = seed.randrange(len(value))
        what = seed.random()
        if what < 0.75:
            return [*value[:at], _changed(value[at], seed), *value[at + 1 :]]
        return seed.choice((value[:at] + value[at + 1 :], [*value, value[at]], [*value, _other(seed, 2)], value[::-1]))
    return _other(seed, 2)


def _other(seed: random.Random, depth: int) -> Any:
    if depth and seed.random() < 0.25:
        inner = [_other(seed, depth - 1) for _ in range(seed.randrange(4))]
        return inner if seed.random() < 0.5 else {seed.choice(WORDS): each for each in inner}
    numbers = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400, 1e308, -1e-320, 0.5, float("nan"), float("inf"))
    return seed.choice((None, True, False, "", *numbers, seed.choice(WORDS), seed.choice(NUMBERS)))


def _changed_header(content: bytes, seed: random.Random) -> bytes:
    """A safetensors file whose header, or the JSON that clmot keeps in it, says something else."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    notes = header.get("__metadata__", {})
    texts = [key for key, text in notes.items() if text[:1] in "{["]
    if texts and seed.random() < 0.6:
        key = seed.choice(texts)
        notes[key] = _changed_json(notes[key].encode(), seed).decode("utf-8", "replace")
    elif notes and seed.random() < 0.4:
        key = seed.choice(list(notes))
        notes[key] = mutated(notes[key].encode(), "text", seed).decode("utf-8", "replace")
    elif seed.random() < 0.7:  # names and shapes that fit the bytes, or nearly
        name = seed.choice([each for each in header if each != "__metadata__"] or ["x"])
        if name in header and seed.random() < 0.5:
            header[name]["shape"] = seed.choice(([*header[name]["shape"], 1], header[name]["shape"][::-1], [0], [-1]))
        elif name in header:
            header[seed.choice(("", "other", name + "x", "\0"))] = header.pop(name)
    else:
        header = _changed(header, seed)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]
