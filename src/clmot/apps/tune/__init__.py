"""Search for the tracker's constants on a validation set; only `clmot.apps.tune.search` wants Optuna."""
