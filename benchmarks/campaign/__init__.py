"""The parts of the reliability campaign, one kind a module; `benchmarks/reliability.py` runs them."""
