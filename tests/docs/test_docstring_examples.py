"""Every public name has an example, and the examples run as they stand."""

import doctest
import inspect

import numpy as np
import pytest

import clmot
from clmot.io.image import read_image

NAMES = sorted(clmot._LAZY)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_runs(name, place, capsys):
    image = read_image(min((place / "frames").iterdir()))
    text = inspect.getdoc(getattr(clmot, name))
    test = doctest.DocTestParser().get_doctest(text, {"clmot": clmot, "np": np, "image": image}, name, None, 0)
    assert test.examples, f"clmot.{name} has no example"
    doctest.DocTestRunner(verbose=False).run(test)
    told = capsys.readouterr().out
    assert not told, told
