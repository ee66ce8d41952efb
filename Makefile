# Two commands: `make run` sets up and runs the portal on the local platform, `make test` sets up and passes the tests.
PYTHON ?= python3
VENV := .venv
ARGS ?=

.PHONY: run welcome setup test test-setup check lint suite quick quick-setup quick-suite help

run: setup
	@exec $(VENV)/bin/python manage.py up $(ARGS)

welcome: setup
	@$(VENV)/bin/python manage.py welcome $(ARGS)

setup:
	@$(PYTHON) .setup/setup.py $(VENV) requirements.lock

test-setup:
	@$(PYTHON) .setup/setup.py $(VENV) requirements-dev.lock
	@$(VENV)/bin/python .setup/browser.py
	@$(PYTHON) .setup/programs.py
	@$(PYTHON) .setup/released.py
	@$(VENV)/bin/python .setup/images.py

check: test-setup lint

lint:
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python manage.py makemigrations --check --dry-run --verbosity 0

# Lint and types are done while tests wait.
test: test-setup
	@$(MAKE) --no-print-directory -j 2 lint suite

suite:
	@$(VENV)/bin/python -m pytest tests -n auto --dist loadfile $(ARGS)

# No browser, no program but one local platform: what to run before each commit.
quick: quick-setup
	@$(MAKE) --no-print-directory -j 2 lint quick-suite

quick-setup:
	@$(PYTHON) .setup/setup.py $(VENV) requirements-dev.lock
	@$(PYTHON) .setup/programs.py

quick-suite:
	@$(VENV)/bin/python -m pytest tests/client tests/live tests/portal tests/test_*.py -m "not slow" -n 2 --dist loadfile $(ARGS)

help:
	@echo "make run      set up and run the portal on the local platform (ARGS for manage.py up)"
	@echo "make welcome  print another sign-in link"
	@echo "make test     set up and pass lint, types and every test"
	@echo "make quick    lint, types and the fast tests, in a minute: no browser, few sessions"
	@echo "make check    lint, types and migrations alone"
	@echo "make setup    install what the portal needs"
