# Commands for those who work on the project.

.PHONY: docs clean-docs

# The pages are in docs/_build/html; the extra "docs" has what this needs. A warning is an error.
docs:
	python -m sphinx -W --keep-going -b html docs docs/_build/html

clean-docs:
	rm -rf docs/_build docs/gallery docs/api/generated
