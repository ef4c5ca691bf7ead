# Two commands for newcomers: `make demo` and `make test`. Both set up everything they need in .venv. `make mini-model`
# trains the model in the box anew (about two and a half hours on two cores): DATA is the folder of its data, see docs/mini-model.md.

PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data

.PHONY: demo test mini-model
.DEFAULT_GOAL := demo

demo: .venv/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh data/demo.sh

test: .venv/.ready
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

mini-model: .venv/.ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh data/mini-zh.sh "$(DATA)"

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qakit needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
