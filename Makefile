# Two commands matter: `make demo` and `make test`. Each sets up everything it needs.

# The first of these that is a Python that fits and can make virtual environments; or name one: make demo PYTHON=…
PYTHONS := python3.13 python3.12 python3.11 python3 python
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for probe in 'import ensurepip; $(FITS)' '$(FITS)'; do for python in $(PYTHONS); do \
	$$python -c "$$probe" 2> /dev/null && { echo $$python; exit; }; done; done)
try = $(shell $(or $(PYTHON),false) -c '$(1)' 2> /dev/null && echo yes)
python_fits = $(if $(call try,$(FITS)),$(if $(call try,import ensurepip),,$(error \
	$(PYTHON) cannot make virtual environments, so install its package venv, on Debian and Ubuntu python3-venv)),$(error \
	Python 3.11, 3.12 or 3.13 is needed, and of [$(or $(PYTHON),$(PYTHONS))] none is one: name it with PYTHON=…))

BIN := .venv/bin
READY := .venv/.ready
READY_FOR_TESTS := .venv/.ready-for-tests

# uv installs what a lock file says and nothing else, from the index that pip is told to ask. It has a small environment of its own.
UV := .uv/bin/uv
UV_PIP := UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$(.uv/bin/pip config get global.index-url 2> /dev/null)}}" \
	$(UV) --quiet pip
INTO := --python $(BIN)/python
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= 1
# Tens of processes import torch and Prefect: where byte code is forbidden, each would compile them again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup setup-for-tests demo test test-all check format lock up down clean

help:
	@echo "make demo       sets everything up, starts the stack, runs the main job on samples/, writes a report"
	@echo "make test       sets everything up and runs the tests; make test-all runs the long ones too"
	@echo "make check      runs the formatter, the linter, the type checker and the layer check"
	@echo "make up, down   start and stop the stack"
	@echo "make format     writes the code as the formatter wants it"
	@echo "make lock       writes the lock files for pyproject.toml again; with UPGRADE=--upgrade, everything at its newest"
	@echo "make clean      stops the stack and removes what was made here, its data too"

setup: $(READY)

setup-for-tests: $(READY_FOR_TESTS)

$(UV): requirements-uv.lock
	$(python_fits)$(PYTHON) -m venv --clear .uv
	.uv/bin/pip install --quiet --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements-uv.lock
	touch $(UV)

# The virtual environment, exactly as the lock file says; brought up to date when the lock file changes.
$(READY): $(UV) requirements.lock pyproject.toml
	$(BIN)/python -c '$(FITS)' 2> /dev/null || $(UV) --quiet venv --clear --python $(or $(python_fits),$(PYTHON)) .venv
	$(UV_PIP) sync $(INTO) --no-build --require-hashes requirements.lock
	$(UV_PIP) install $(INTO) --no-deps --editable .
	touch $(READY)

# The same with what tests, checks and trainings of developers need.
$(READY_FOR_TESTS): $(READY) requirements-dev.lock
	$(UV_PIP) install $(INTO) --no-deps --no-build --require-hashes --requirement requirements-dev.lock
	touch $(READY_FOR_TESTS)

demo: $(READY)
	$(BIN)/python -m gateway.cli.demo

up down: $(READY)
	$(BIN)/triptych $@

test: $(READY_FOR_TESTS)
	$(BIN)/python -m tests

test-all: $(READY_FOR_TESTS)
	$(BIN)/python -m tests --all

check: $(READY_FOR_TESTS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY_FOR_TESTS)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The lock files for pyproject.toml: one for all Pythons, and the second has the versions of the first. `make lock UPGRADE=--upgrade`
# takes the newest. What pyproject.toml says of every line (`environments`) is left out of the lines.
COMPILE := $(UV_PIP) compile --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
EVERYWHERE := python_full_version < '3.14' and sys_platform == 'linux'

lock: $(UV)
	$(COMPILE) pyproject.toml $(UPGRADE) --extra training --extra speakers --extra dev --output-file requirements-dev.lock
	cp requirements-dev.lock requirements.lock
	$(COMPILE) pyproject.toml --extra training --extra speakers --output-file requirements.lock
	echo uv | $(COMPILE) - $(UPGRADE) --output-file requirements-uv.lock
	sed -i "s/ ; $(EVERYWHERE)//; s/$(EVERYWHERE) and //" requirements*.lock

clean:
	[ ! -x $(BIN)/triptych ] || $(BIN)/triptych down
	rm -rf .venv .uv .triptych .pytest_cache .ruff_cache .hypothesis
