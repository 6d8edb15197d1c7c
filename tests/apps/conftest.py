"""What tests of whole applications share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def no_loss_curves() -> Iterator[None]:
    """The picture of the losses takes longer than the trainings of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clmot.training.logger.loss_curves", lambda *_: None)
        yield
