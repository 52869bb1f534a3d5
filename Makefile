# The README's two commands. Each makes .venv once and then works without a network.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint results notebooks clean

demo: .venv/core.done
	$(PY) -m tinyvlm demo

test: .venv/test.done
	$(PY) -m pytest

lint: .venv/lint.done
	$(PY) -m ruff check tinyvlm tests lessons
	$(PY) -m ruff format --check tinyvlm tests lessons
	$(PY) -m mypy

notebooks: .venv/lessons.done
	$(PY) lessons/notebooks.py

results: .venv/test.done
	$(PY) -m tinyvlm.proofs.results

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tinyvlm needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# A later pyproject.toml may name more packages: then they are installed once.
.venv/core.done: .venv/bin/python pyproject.toml
	$(PIP) -e .
	touch $@

.venv/test.done: .venv/core.done
	$(PIP) -e '.[test]'
	touch $@

.venv/lint.done: .venv/core.done
	$(PIP) -e '.[lint]'
	touch $@

.venv/lessons.done: .venv/core.done
	$(PIP) -e '.[lessons]'
	touch $@

clean:
	rm -rf .venv build *.egg-info museum.html
