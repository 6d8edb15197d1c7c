import numpy as np

from clmot.views.random_streams import Streams


def test_names_have_generators_of_their_own_that_start_anew():
    streams = Streams(np.random.SeedSequence([3, 1, 4]))
    draws = {name: streams[name].random() for name in ("erase", "warp", "hsv")}
    assert len(set(draws.values())) == 3
    assert streams["warp"].random() == draws["warp"]
    assert Streams(np.random.SeedSequence([3, 1, 4]))["warp"].random() == draws["warp"]
    assert Streams(np.random.SeedSequence([3, 1, 5]))["warp"].random() != draws["warp"]


def test_beside_draws_nothing_and_gives_others_each_time():
    rng, alone = np.random.default_rng(7), np.random.default_rng(7)
    first, second = Streams.beside(rng), Streams.beside(rng)
    assert first["erase"].random() != second["erase"].random()
    assert first["erase"].random() != alone.random()
    np.testing.assert_array_equal(rng.random(5), np.random.default_rng(7).random(5))
    again = np.random.default_rng(7)
    again.random(100)
    assert Streams.beside(again)["erase"].random() == first["erase"].random()
