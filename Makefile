# `make demo` qualifies a real model; `make test` runs every check. Both set up what they need.
PYTHON ?= python3
VENV ?= .venv
PY = $(VENV)/bin/python
READY = $(VENV)/.ready
DEMO = requalify-out/demo
LOCK = --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_28 --no-annotate --no-header --quiet

.PHONY: help setup demo test lint types check fix models bench bench-triage test-actions lock bless clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(READY)  ## a virtual environment with the program, its suite and its tests

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[suite,test]'
	@touch $(READY)

demo: $(READY)  ## qualify SmolLM2-135M on the embedded converter, then plant a defect and read its issue
	model=$$($(PY) playbooks/fetch.py smollm2-135m) && \
	$(PY) -m bot run playbooks/smollm2-135m-quick.playbook.yaml --model "$$model" --out $(DEMO)/clean && \
	{ $(PY) -m bot run playbooks/smollm2-135m-quick.playbook.yaml --model "$$model" --out $(DEMO)/planted --plant LAYOUT-002; \
	  test $$? -eq 1; } && \
	echo "the planted defect was falsified; its issue: $(DEMO)/planted/issue-LAYOUT-002.md" && \
	test -s $(DEMO)/planted/issue-LAYOUT-002.md

test: $(READY) lint types  ## lint, types and all tests
	$(PY) -m pytest -n 2 --dist worksteal -m "not actions"

lint: $(READY)  ## style and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(READY)  ## static types of the package
	$(PY) -m mypy

check: test

fix: $(READY)  ## mend what the linter can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

models: $(READY)  ## fetch the real models that tests marked `models` use
	$(PY) playbooks/fetch.py

bench: $(READY)  ## speed, as ratios measured in one run
	$(PY) tests/bench.py

bench-triage: $(READY)  ## how often the cause is named rightly; writes tests/bench_triage.md
	$(PY) tests/bench_triage.py

test-actions: $(READY)  ## run the workflow files with act against a stand-in of GitHub
	$(PY) -m pytest -m actions tests/actions

lock:  ## rewrite requirements/ (hashes for the workflows) from pyproject.toml and constraints.txt; needs uv
	printf 'hatchling\neditables\n' > requirements/build.in
	grep -v '^#' constraints.txt > requirements/pins.in
	uv pip compile pyproject.toml requirements/build.in -c requirements/pins.in $(LOCK) -o requirements/base.txt
	uv pip compile pyproject.toml requirements/build.in --extra suite -c requirements/pins.in $(LOCK) -o requirements/suite.txt
	rm requirements/build.in requirements/pins.in

bless: $(READY)  ## rewrite golden files from what is rendered now; read the diff before committing
	REQUALIFY_BLESS=1 $(PY) -m pytest -q tests/report tests/github

clean:  ## remove what the targets above made
	rm -rf $(VENV) requalify-out dist build
