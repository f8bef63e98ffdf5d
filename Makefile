# ClaudeLens. `make help` lists what there is.

# The newest Python that fits; PYTHON=... on the command line wins.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
WORKERS ?= 2
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help run demo setup test lint types format bench chaos pins clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(VENV)/.run ## Start ClaudeLens with all it needs; Ctrl-C stops it (PORT=8000)
	@exec $(PY) manage.py up $(ARGS)

demo: $(VENV)/.run ## Import the samples, show them, export them, compare the bytes
	@$(PY) manage.py demo

setup: $(VENV)/.dev ## Install everything, for running and for developing

test: $(VENV)/.dev ## Run the tests on real servers (TESTS=tests/site, ARGS="-k name", WORKERS=2)
	@$(PY) -m pytest $(TESTS) -n $(WORKERS) -q $(ARGS)

lint: $(VENV)/.dev ## Check style, and that no migration is missing
	@$(BIN)/ruff check .
	@$(PY) manage.py makemigrations --check --dry-run --verbosity 0

types: $(VENV)/.dev ## Check the types
	@$(BIN)/mypy

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet .

bench: $(VENV)/.dev ## Measure imports, exports and the web server beside the plain ways (SIZE=1GB)
	@$(PY) -m benchmarks $(if $(SIZE),--size=$(SIZE)) $(ARGS)

chaos: $(VENV)/.dev ## Kill workers and servers at random and count what is left (long)
	@$(PY) -m pytest $(TESTS) -m slow -q --timeout=3600 $(ARGS)

pins: $(VENV)/.dev ## Compile requirements*.in into exact versions
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --annotation-style line requirements.in -o requirements.txt
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --annotation-style line requirements-dev.in -o requirements-dev.txt

clean: ## Delete what can be made again (never the data in var/)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build

# Stamps: an environment is made once, and again only when its requirements change.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "ClaudeLens needs Python 3.11 or newer. On Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: requirements.txt | $(VENV)/.made
	@test -e $(VENV)/.dev && ! test requirements.txt -nt $(VENV)/.dev || \
		{ echo "Installing what ClaudeLens needs into $(VENV) ..."; $(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt; }
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/.made
	@echo "Installing what ClaudeLens and its tests need into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run
