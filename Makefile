# make demo | make test: each makes .venv if needed, installs, and runs. Nothing else has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# one idle thread that spins costs a busy machine more than it saves
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 0

# OpenCV's usual wheel needs libGL, which machines without a screen lack: there the headless one takes its place
HEADLESS = $(BIN)/python -c 'import cv2' 2>/dev/null || { \
	$(BIN)/python -m pip uninstall --quiet --yes opencv-python opencv-python-headless && \
	$(BIN)/python -m pip install --quiet opencv-python-headless && $(BIN)/python -c 'import cv2'; }

.PHONY: demo test lint types unit quick install adapters lite package docs clean

demo: install
	$(BIN)/clmot demo --out demo

test: install lint types unit

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed ($(PYTHON) was not found)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@echo "installing (about 6 GB with torch; a few minutes) ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@$(HEADLESS)
	@touch $@

# Libraries of others that examples, adapters and detectors are tested with; without them those tests are skipped.
# norfair asks for older numpy and rich than it needs, datumaro for another OpenCV than the one that is there.
adapters: $(VENV)/.adapters

$(VENV)/.adapters: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev --group adapters
	$(BIN)/python -m pip install --quiet --no-deps "norfair>=2.3" "datumaro>=1.13"
	@$(HEADLESS)
	@touch $@

# Tracking without torch: an environment of a tenth of the size, and the shipped model in it
LITE := .venv-lite

lite:
	$(PYTHON) -m venv --clear $(LITE)
	$(LITE)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(LITE)/bin/python -m pip install --quiet --constraint constraints.txt --group lite
	$(LITE)/bin/python -m pip install --quiet --no-deps --editable .
	$(LITE)/bin/python tests/without_torch.py

# Wheel and sdist in dist/, as they would be published; the wheel does what the checkout does
package: lite
	rm -rf dist
	$(LITE)/bin/python -m pip install --quiet --group package
	$(LITE)/bin/python -m build --outdir dist . >/dev/null
	$(LITE)/bin/twine check --strict dist/*
	$(LITE)/bin/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	$(LITE)/bin/python tests/without_torch.py

# The site in site/, without warnings, by either builder
docs: $(VENV)/.docs
	$(BIN)/python scripts/make_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/zensical build --strict --clean

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs src examples benchmarks scripts

types:
	$(BIN)/mypy

# a process of one thread for each core
unit:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# what takes two seconds at most each
quick:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

# The tables on real detectors (docs/adapt.md, docs/tracking.md), from the sequences in $CLMOT_DATA; what is done stays
EVIDENCE ?= ../evidence
FOUND = $(EVIDENCE)/detections/yolox_nano $(EVIDENCE)/detections/pedestrian-detection-adas-0002

evidence: adapters
	$(BIN)/python benchmarks/detections.py $(EVIDENCE)/detections
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/adaptation.py $(FOUND) --out $(EVIDENCE)/adaptation
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/tracking.py --scenarios detectors --detections $(FOUND) \
		--reid $(CLMOT_DATA)/weights/osnet_x0_25_msmt17.onnx --cache $(EVIDENCE)/embeddings --out $(EVIDENCE)/tracking

clean:
	rm -rf $(VENV) $(LITE) demo dist site docs/reference .pytest_cache .mypy_cache .ruff_cache .hypothesis
