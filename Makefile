# Every target sets up what it needs: Python 3.11 or newer, make and package registries are enough.

# The first Python that runs and is new enough; a command that exists may still be a shim without a version behind it.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Wattbus needs Python 3.11 or newer; name it with make PYTHON=…"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

.PHONY: setup
setup: $(READY) ## Install everything into .venv

.PHONY: demo
demo: $(READY) ## Run server and sandbox with a sample home and tell the story (ONCE=1: then stop)
	@$(BIN)/wattbus demo $(if $(ONCE),--once)

.PHONY: test
test: $(READY) ## Run all tests
	$(BIN)/python -m pytest

.PHONY: lint
lint: $(READY) ## Check protos, stubs, format, lint and types
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python scripts/check_breaking.py
	$(BIN)/python scripts/generate.py --check
	$(BIN)/python scripts/write_reference.py --check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy server tests scripts docs/examples

.PHONY: format
format: $(READY) ## Format protos and Python
	$(BIN)/buf format --write
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: generate
generate: $(READY) ## Generate the Python stubs in generated/ from proto/
	$(BIN)/python scripts/generate.py

.PHONY: reference
reference: $(READY) ## Write docs/settings.md and docs/reasons.md from the code
	$(BIN)/python scripts/write_reference.py

.PHONY: bench
bench: $(READY) ## Compare performance with baselines in one run; writes build/bench.json
	$(BIN)/python -m scripts.bench

.PHONY: constraints
constraints: ## Resolve all dependencies anew and write constraints.txt
	"$(PYTHON)" scripts/pin_constraints.py

.PHONY: clean
clean: ## Remove what make built
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
