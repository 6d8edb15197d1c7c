"""The configuration of the tests of exports."""

from tests.export.conftest import config  # noqa: F401
