"""Rows, claims and leases of processes that share a folder."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clmot.apps.many.claims import Attempt, Claims
from clmot.apps.many.manifest import AGAIN, DONE, ERROR, FAILED, MOST_LOST, Manifest, Row
from clmot.apps.many.video import Video

VIDEO = Video("rec", "/a/rec.mp4", content="1f")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Manifest(tmp_path).make()
    return tmp_path


def opened(folder: Path, lease: float = 100.0) -> Manifest:
    manifest = Manifest(folder, lease)
    manifest.refresh(claims=True)
    return manifest


def row(state: str, attempt: int = 1, at: float = 1.0, error: str = "") -> Row:
    return Row("rec", "k", state, attempt, at, error=error)


def test_one_of_many_wins_a_claim(folder: Path) -> None:
    manifests = [opened(folder) for _ in range(8)]
    won: list[bool] = []
    start = threading.Barrier(8)

    def claim(manifest: Manifest) -> None:
        start.wait()
        won.append(manifest.claim(Attempt("rec", "k", 1)))

    threads = [threading.Thread(target=claim, args=(each,)) for each in manifests]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(won) == [False] * 7 + [True]


def test_what_others_have_in_hand_is_left_to_them_until_they_are_dead(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom clmot.apps.many.manifest import Manifest\n"
        "from clmot.apps.many.claims import Attempt\n"
        f"Manifest(Path({str(folder)!r})).claim(Attempt('rec', 'k', 1)); print('claimed', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert opened(folder).next_attempt(VIDEO, "k", 2) == ""
        assert [each.name for each in opened(folder).running()] == ["rec"]
        other.kill()
    assert opened(folder).next_attempt(VIDEO, "k", 2) == Attempt("rec", "k", 2)
    assert opened(folder).running() == []


def test_a_claim_of_another_machine_holds_for_its_lease(folder: Path) -> None:
    claims, attempt = Claims(folder / "manifest" / "claims", 100), Attempt("rec", "k", 1)
    assert claims.win(attempt)
    path = claims.folder / attempt.file
    path.write_text(
        path.read_text().replace(f'"process":{os.getpid()}', '"process":1').replace('"machine":"', '"machine":"x')
    )
    assert not claims.is_dead(attempt)
    os.utime(path, (time.time() - 200,) * 2)
    assert claims.is_dead(attempt)
    claims.touch(attempt)
    assert not claims.is_dead(attempt)
    claims.release(attempt)
    assert claims.is_dead(attempt)
    assert claims.win(attempt)


def test_whoever_was_taken_for_dead_does_not_hold_it_any_more(folder: Path) -> None:
    slow, fast = opened(folder), opened(folder)
    assert slow.claim(Attempt("rec", "k", 1))
    assert slow.claims.is_held(Attempt("rec", "k", 1))
    assert fast.claim(Attempt("rec", "k", 2))
    assert not slow.claims.is_held(Attempt("rec", "k", 1))
    assert fast.claims.is_held(Attempt("rec", "k", 2))


def test_what_is_done_is_not_claimed_again(folder: Path) -> None:
    first, late = opened(folder), opened(folder)
    assert first.claim(Attempt("rec", "k", 1))
    first.append(row(DONE))
    assert not late.claim(Attempt("rec", "k", 2)), "it had not read the row before"
    assert late.next_attempt(VIDEO, "k", 2) == DONE
    assert opened(folder).next_attempt(VIDEO, "other settings", 2) == Attempt("rec", "other settings", 1)


def test_errors_are_retried_and_then_given_up_until_asked_again(folder: Path) -> None:
    manifest = opened(folder)
    for number in (1, 2, 3):
        assert manifest.next_attempt(VIDEO, "k", 2) == Attempt("rec", "k", number)
        assert manifest.claim(Attempt("rec", "k", number))
        manifest.append(row(ERROR, number, number, f"broken {number}"))
        manifest.refresh()
    assert manifest.next_attempt(VIDEO, "k", 2) == FAILED
    assert opened(folder).rows["rec"].error == "broken 3"
    manifest.append(row(AGAIN, 3, time.time()))
    manifest.refresh()
    assert manifest.next_attempt(VIDEO, "k", 2) == Attempt("rec", "k", 4)


def test_kills_are_no_errors_but_not_for_ever(folder: Path) -> None:
    for number in range(1, MOST_LOST + 1):
        assert opened(folder).next_attempt(VIDEO, "k", 0) == Attempt("rec", "k", number)
        opened(folder).claim(Attempt("rec", "k", number))
        (folder / "manifest" / "claims" / f"rec.k.{number}").write_text("")
        os.utime(folder / "manifest" / "claims" / f"rec.k.{number}", (0, 0))
    assert opened(folder).next_attempt(VIDEO, "k", 0) == FAILED
    assert "ended 5 times without a word" in opened(folder).rows["rec"].error


def test_rows_cut_short_are_left_out_and_half_written_ones_waited_for(folder: Path) -> None:
    manifest = opened(folder)
    manifest.append(row(ERROR, error="first"))
    (file,) = (folder / "manifest" / "rows").iterdir()
    whole = file.read_bytes()
    with file.open("ab") as text:
        text.write(b'{"name":"rec","key\n' + whole.replace(b"first", b"last!").replace(b":1.0", b":2.0")[:-1])
    reader = opened(folder)
    assert reader.rows["rec"].error == "first"
    with file.open("ab") as text:
        text.write(b"\n")
    reader.refresh()
    assert reader.rows["rec"].error == "last!"


def test_a_finished_video_stays_finished_when_a_slow_attempt_fails_behind_it(folder: Path) -> None:
    first, second = opened(folder), opened(folder)
    first.append(row(DONE, 2, 1.0))
    second.append(row(ERROR, 1, 2.0))
    assert opened(folder).rows["rec"].state == DONE
