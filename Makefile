# The two commands of the README are `make up` and `make test`; `make help` lists the others.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
STACK ?= dev
BIN := .venv/bin

.PHONY: help up down reset status preview test check bench lock schemas

help: ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 18

up: .venv/runtime.stamp ## Set everything up and bring up an environment: make up STACK=dev|test|prod|aws|gcp
	@$(BIN)/python -m rehearsal up $(STACK)

down: .venv/runtime.stamp ## Stop the embedded platforms; data and state stay
	@$(BIN)/python -m rehearsal down

reset: .venv/runtime.stamp ## Stop the embedded platforms and delete their data and the rehearsed state
	@$(BIN)/python -m rehearsal reset

status: .venv/runtime.stamp ## Say what runs, what is real and what is simulated
	@$(BIN)/python -m rehearsal status

test: .venv/development.stamp ## Format, lint, types, architecture, all tests
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m rehearsal build
	@$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=40

check: .venv/development.stamp ## Format, lint, types, architecture: what needs no engine
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/development.stamp ## Measure against the targets in benchmarks/README.md
	@$(BIN)/python -m rehearsal build
	@$(BIN)/python -m benchmarks

schemas: .venv/runtime.stamp ## Write the JSON Schemas that editors use
	$(BIN)/python -m components.settings.schema

lock: .venv/runtime.stamp ## Pin the newest Python packages that pyproject.toml allows, by hash
	$(COMPILE) pyproject.toml --extra build --extra rehearsal -o requirements/runtime.txt --upgrade
	$(COMPILE) pyproject.toml --extra build --extra rehearsal --extra dev -c requirements/runtime.txt -o requirements/development.txt --upgrade
	$(COMPILE) requirements/client.in -c requirements/runtime.txt -o requirements/client.txt --upgrade
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock"

# Named, or uv installs into whichever environment the shell has activated.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python

# A virtual environment of its own: Pulumi's SDK must never meet another program's packages.
.venv/uv.stamp: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making the virtual environment .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/runtime.stamp: .venv/uv.stamp requirements/runtime.txt pyproject.toml
	@echo "Installing the program and what it needs"
	@$(INSTALL) --require-hashes -r requirements/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/development.stamp: .venv/runtime.stamp requirements/development.txt
	@echo "Installing what the tests need"
	@$(INSTALL) --require-hashes -r requirements/development.txt
	@touch $@
