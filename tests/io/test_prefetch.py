import contextlib
import threading
from collections.abc import Generator, Iterator

import pytest

from clmot.io.prefetch import prefetch


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert prefetch_threads() == []


def test_yields_every_item_in_order() -> None:
    assert list(prefetch((number for number in range(100)), size=3)) == list(range(100))


def test_runs_ahead_by_no_more_than_its_size() -> None:
    made: list[int] = []

    def numbers() -> Generator[int, None, None]:
        for number in range(50):
            made.append(number)
            yield number

    for number in (items := prefetch(numbers(), size=4)):
        # waiting: 4; one more is made and held until there is room
        assert len(made) <= number + 1 + 4 + 1
    items.close()


def test_an_exception_comes_after_the_items_made_before_it() -> None:
    def breaks() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise KeyError("broken")

    items = prefetch(breaks())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(items)


def test_closing_early_ends_the_thread_and_closes_the_generator() -> None:
    closed_in: list[threading.Thread] = []

    def endless() -> Generator[int, None, None]:
        number = 0
        try:
            while True:
                number += 1
                yield number
        finally:
            closed_in.append(threading.current_thread())

    items = prefetch(endless())
    assert next(items) == 1
    worker = prefetch_threads()
    assert len(worker) == 1
    items.close()
    assert closed_in == worker
    assert prefetch_threads() == []


def test_dropping_keeps_the_newest_items() -> None:
    made_all = threading.Event()

    def numbers() -> Generator[int, None, None]:
        yield from range(20)
        made_all.set()

    items = prefetch(numbers(), size=2, drop_oldest=True)
    first = next(items)
    assert made_all.wait(5)
    taken = [first, *items]
    assert taken[-2:] == [18, 19]
    assert len(taken) <= 3


def test_never_started_never_runs() -> None:
    def numbers() -> Generator[int, None, None]:
        raise AssertionError("must not run")
        yield 1

    prefetch(numbers()).close()


def test_one_behind_the_other_keeps_order_and_ends_together() -> None:
    def doubled(numbers: Generator[int, None, None]) -> Generator[int, None, None]:
        with contextlib.closing(numbers):
            for number in numbers:
                yield 2 * number

    def chain() -> Generator[int, None, None]:
        return prefetch(doubled(prefetch(number for number in range(50))), size=1)

    assert list(chain()) == list(range(0, 100, 2))
    items = chain()
    assert [next(items), next(items)] == [0, 2]
    assert len(prefetch_threads()) == 2
    items.close()
    assert prefetch_threads() == []


def test_an_exception_passes_through_further_threads_unchanged() -> None:
    error = KeyError("broken")

    def breaks() -> Generator[int, None, None]:
        yield 1
        raise error

    items = prefetch(number for number in prefetch(breaks()))
    assert next(items) == 1
    with pytest.raises(KeyError) as caught:
        next(items)
    assert caught.value is error
