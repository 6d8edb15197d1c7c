"""Shared test set-up: shape checks on array functions, no network, few threads, the optional real data."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# checks the annotated shapes and dtypes of every call of these modules while tests run
install_import_hook(
    [
        "clmot.boxes",
        "clmot.losses",
        "clmot.models",
        "clmot.tracking.assignment",
        "clmot.tracking.camera_motion",
        "clmot.tracking.costs",
        "clmot.tracking.postprocess.interpolation",
        "clmot.tracking.postprocess.merge_tracks",
        "clmot.tracking.kalman",
        "clmot.tracking.candidates",
    ],
    "beartype.beartype",
)

pytest_plugins = ["data_fixtures"]

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["CLMOT_RUNTIME"] = "torch"  # else every little network would be converted


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Where CLMOT_NO_SKIPS is set, a test that is skipped because a package is missing fails."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CLMOT_NO_SKIPS") and "could not import" in str(report.longrepr):
        report.outcome = "failed"


@pytest.fixture(scope="session", autouse=True)
def _no_loss_curves() -> Iterator[None]:
    """Training runs of a few steps draw no loss curves, which takes longer than the steps."""
    with pytest.MonkeyPatch.context() as patched:
        if "clmot.training.logger" in sys.modules:
            patched.setattr("clmot.training.logger.loss_curves", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real sequences named by CLMOT_DATA."""
    folder = os.environ.get("CLMOT_DATA")
    if not folder:
        pytest.skip("CLMOT_DATA is not set: no real sequences to test on")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.skip(f"CLMOT_DATA={folder} is not a folder")
    return path
