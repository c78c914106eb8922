# Two commands do all: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: help setup demo demo-stack stack test hunt check lint types lock clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## a virtual environment in .venv with everything pinned by hash

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## the whole path on this machine, in about a minute
	@$(PY) -m demo

demo-stack: setup  ## the same on a real Cassandra and a real Kafka, with a takeover (needs Java 17 and Maven)
	@$(PY) -m demo.on_stack

stack: setup  ## a real Cassandra and a real Kafka on this machine (needs Java 17 and Maven)
	@$(PY) -m stack up

test: setup  ## every test
	@$(PY) -m pytest

hunt: setup  ## the properties among the tests, on examples that no run had before
	@LEDGER_EXAMPLES=$${LEDGER_EXAMPLES:-1000} $(PY) -m pytest -m hypothesis --hypothesis-profile=hunt -o timeout=0

lint: setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: setup
	@$(PY) -m mypy

check: lint types test  ## lint, types and every test: what CI runs

lock: setup  ## pin requirements.txt again from pyproject.toml
	@$(PY) -m piptools compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --extra dev --extra stack --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --output-file requirements.txt pyproject.toml

clean:  ## remove what setup, demo and stack made
	-@[ ! -x $(PY) ] || $(PY) -m stack down
	rm -rf $(VENV) .demo .demo-stack .stack
