"""Run a generator in a thread of its own, a few items ahead of whoever consumes it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(
    items: Generator[Item, None, None],
    *,
    size: int = 4,
    drop_oldest: bool = False,
    on_stop: Callable[[], None] | None = None,
    longest_wait: float | None = None,
) -> Generator[Item, None, None]:
    """Yield the items of a generator that runs ahead in a background thread.

    Decoding a video, a network's operations and writing a file release the interpreter lock, so they overlap the
    consumer's work. Items come in order, and none is lost or doubled. An exception in the thread is raised here, after
    the items made before it. Closing this generator (or dropping it) stops the thread, closes `items` in it and waits
    for its end; where `items` is itself one of these, threads end from the last to the first.

    Args:
        items: the generator to run; the thread starts with the first item asked for.
        size: most items waiting to be consumed; one more may be made and wait for its place.
        drop_oldest: where the consumer is too slow, drop the oldest waiting item instead of holding the generator up:
            for a live camera, whose frames would otherwise come later and later.
        on_stop: called when this generator is closed, before the thread is waited for.
        longest_wait: seconds that its end is waited for; a camera that is silent keeps a thread busy for longer. Where
            that is over, the thread ends, and closes `items`, by itself.
    """
    waiting: deque[Item] = deque()
    changed = threading.Condition()
    finished = stopped = False
    failure: BaseException | None = None

    def produce() -> None:
        nonlocal finished, failure
        try:
            for item in items:
                with changed:
                    if drop_oldest and len(waiting) == size:
                        waiting.popleft()
                    changed.wait_for(lambda: stopped or len(waiting) < size)
                    if stopped:
                        break
                    waiting.append(item)
                    changed.notify_all()
            items.close()
        except BaseException as error:  # whatever it is, it belongs to the consumer
            failure = error
        with changed:
            finished = True
            changed.notify_all()

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    try:
        thread.start()
        while True:
            with changed:
                changed.wait_for(lambda: finished or bool(waiting))
                if not waiting:
                    break
                item = waiting.popleft()
                changed.notify_all()
            yield item
    finally:
        with changed:
            stopped = True
            changed.notify_all()
        if on_stop is not None:
            on_stop()
        if thread.is_alive():
            thread.join(longest_wait)
    if failure is not None:
        raise failure
