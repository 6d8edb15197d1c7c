"""Search for the tracker's constants on a validation set; only `clmot.tuning.search` wants Optuna."""
