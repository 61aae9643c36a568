# Two commands matter: `make demo` and `make test`. Each sets up everything it needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
PACKAGES := storage modalities flows gateway workers training

.PHONY: setup demo test up down check format lock clean

setup: $(READY)

# The virtual environment, exactly as the lock file says; remade when the lock file changes.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $(READY)

demo: $(READY)
	$(BIN)/python -m gateway.demo

up down: $(READY)
	$(BIN)/triptych $@

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The lock file, made again from pyproject.toml.
lock: $(READY)
	$(BIN)/pip-compile --quiet --extra dev --extra training --strip-extras --no-annotate --allow-unsafe \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.lock pyproject.toml

clean:
	[ ! -x $(BIN)/triptych ] || $(BIN)/triptych down
	rm -rf .venv .triptych .pytest_cache .ruff_cache .hypothesis
