# Two commands for newcomers: `make demo` and `make test`. Both set up everything they need in .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test
.DEFAULT_GOAL := demo

demo: .venv/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh data/demo.sh

test: .venv/.ready
	$(BIN)/python -m pytest

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qakit needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
