# Commands for those who work on the project; see CONTRIBUTING.md.

.PHONY: check lint test docs clean-docs

# Before a commit: format, lint, check types and floors, and run the tests of the modules that have changed.
check:
	ruff format .
	ruff check --fix .
	$(MAKE) lint
	python .ci/changed-tests

# What CI checks beside the tests.
lint:
	ruff check .
	ruff format --check .
	lint-imports
	mypy

test: lint
	python -m pytest

# The pages are in docs/_build/html; the extra "docs" has what this needs. A warning is an error. Examples that have
# been edited are run anew, and docs/results is to be committed with them.
docs:
	python docs/floors.py
	python -m sphinx -W --keep-going -b html docs docs/_build/html

clean-docs:
	rm -rf docs/_build docs/gallery docs/api/generated docs/api/index.md
