"""Training logs for TensorBoard, Weights & Biases and MLflow, by Lightning's loggers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from lightning_fabric.loggers.logger import Logger

from clmot.errors import UserError, reason_of

LoggerName = Literal["tensorboard", "wandb", "mlflow"]

_log = logging.getLogger(__name__)


class ExperimentLog:
    """The log of a run in one of these services; one that fails later on is told once, and the run goes on without it.

    Args:
        name: ``tensorboard`` (in the run's folder), ``wandb`` (project clmot) or ``mlflow`` (where MLFLOW_TRACKING_URI
            says, else ``mlflow.db`` in the run's folder).
        run: the run folder, which is there, and whose name the run has.

    Raises:
        UserError: its package is not installed, or it cannot be reached or written.
    """

    def __init__(self, name: LoggerName, run: Path) -> None:
        self._name = name
        try:
            self._logger: Logger | None = _open(name, run)
            _ = self._logger.experiment  # which they put off until the first number
        except ModuleNotFoundError as error:
            raise UserError(f"--logger {name}: is not installed (pip install 'clmot[{name}]')") from error
        except Exception as error:  # each has its own
            raise UserError(f"--logger {name}: {reason_of(error)}") from error

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Log numbers of a step."""
        self._try(lambda logger: logger.log_metrics(dict(values), step))

    def close(self, complete: bool) -> None:
        """Say how the run ended."""
        self._try(lambda logger: logger.finalize("success" if complete else "failed"))

    def _try(self, act: Callable[[Logger], object]) -> None:
        if self._logger is None:
            return
        try:
            act(self._logger)
        except Exception as error:  # a run is not lost for want of a copy of its log
            _log.warning("--logger %s: gets nothing from now on: %s", self._name, reason_of(error))
            self._logger = None


def _open(name: LoggerName, run: Path) -> Any:
    if name == "tensorboard":
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        return TensorBoardLogger(run, name="", version="tensorboard")
    from pytorch_lightning import loggers

    if name == "wandb":
        return loggers.WandbLogger(project="clmot", name=run.name, save_dir=str(run))
    # its newer releases refuse folders
    address = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{run.absolute() / 'mlflow.db'}")
    return loggers.MLFlowLogger(experiment_name="clmot", run_name=run.name, tracking_uri=address)
