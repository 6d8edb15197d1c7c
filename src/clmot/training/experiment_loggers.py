"""Training logs for TensorBoard, Weights & Biases and MLflow, by Lightning's loggers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from lightning_fabric.loggers.logger import Logger

from clmot.errors import UserError

LoggerName = Literal["tensorboard", "wandb", "mlflow"]


def open_logger(name: LoggerName, run: Path) -> Logger:
    """A logger of a run.

    Args:
        name: ``tensorboard`` (in the run's folder), ``wandb`` (project clmot) or ``mlflow`` (where MLFLOW_TRACKING_URI
            says, else ``mlflow.db`` in the run's folder).
        run: the run folder, whose name the run has.

    Raises:
        UserError: its package is not installed.
    """
    try:
        logger: Any
        if name == "tensorboard":
            from lightning_fabric.loggers.tensorboard import TensorBoardLogger

            return TensorBoardLogger(run, name="", version="tensorboard")
        from pytorch_lightning import loggers

        if name == "wandb":
            logger = loggers.WandbLogger(project="clmot", name=run.name, save_dir=str(run))
        else:
            # its newer releases refuse folders
            address = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{run.absolute() / 'mlflow.db'}")
            logger = loggers.MLFlowLogger(experiment_name="clmot", run_name=run.name, tracking_uri=address)
        return logger  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        raise UserError(f"--logger {name}: is not installed (pip install 'clmot[{name}]')") from error
