# Every target does its own set-up; nothing here needs more than Python 3.11 and a network for the packages.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
PACKAGES := primitives proofs pallets chain_spec client node storage_miner
SOURCES := $(PACKAGES) tests benchmarks
WORKERS ?= 2
FILE ?=
FUZZ ?= 50
SOAK ?= 100

.PHONY: setup demo test check lint types layers spelling unit integration fuzz soak bench lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: $(PYTHON) is not on the PATH. Install Python 3.11 (with venv), or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@# trio has types of its own; stubs of an old trio, which a dependency of libp2p brings, would hide them.
	@rm -rf $(VENV)/lib/python3.*/site-packages/trio-stubs
	@touch $(STAMP)

# The main job: a network of 1 validator and 12 miners, one real file, eight miners lost, one cheat caught.
demo: setup
	@$(BIN)/python -m client.demo $(if $(FILE),--file "$(FILE)")

test: setup lint types layers spelling unit integration

# What can be checked without starting a network: run it before every commit.
check: setup lint types layers spelling unit

lint: setup
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

spelling: setup
	$(BIN)/codespell $(SOURCES) docs README.md CHANGELOG.md CONTRIBUTING.md

unit: setup
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile -m "not integration"

integration: setup
	$(BIN)/pytest -q -m integration

# Property tests only, each with FUZZ times its examples and a new seed: for a night, not for CI.
fuzz: setup
	$(BIN)/pytest -q -n $(WORKERS) -m "not integration" --timeout 7200 --fuzz $(FUZZ)

# SOAK cluster-hours of simulated validators under faults, with seeds that nobody chose (docs/specs/simulation.md).
soak: setup
	$(BIN)/python -m tests.simulation.campaign --hours $(SOAK)

bench: setup
	$(BIN)/python -m benchmarks.report

lock: setup
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --extra dev --strip-extras --allow-unsafe --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --no-header --generate-hashes -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
