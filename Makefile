# Two commands: `make run` sets up and runs the portal on the local platform, `make test` sets up and passes the tests.
PYTHON ?= python3
VENV := .venv
ARGS ?=

.PHONY: run welcome setup test test-setup check help

run: setup
	@exec $(VENV)/bin/python manage.py up $(ARGS)

welcome: setup
	@$(VENV)/bin/python manage.py welcome $(ARGS)

setup:
	@$(PYTHON) .setup/setup.py $(VENV) requirements.lock

test-setup:
	@$(PYTHON) .setup/setup.py $(VENV) requirements-dev.lock
	@$(VENV)/bin/python .setup/browser.py
	@$(PYTHON) .setup/desktop.py
	@$(PYTHON) .setup/released.py

check: test-setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python manage.py makemigrations --check --dry-run --verbosity 0

test: check
	@$(VENV)/bin/python -m pytest tests --ignore tests/browser -n auto --dist loadfile $(ARGS)
	@$(VENV)/bin/python -m pytest tests/browser $(ARGS)

help:
	@echo "make run      set up and run the portal on the local platform (ARGS for manage.py up)"
	@echo "make welcome  print another sign-in link"
	@echo "make test     set up and pass lint, types and every test"
	@echo "make check    lint, types and migrations alone"
	@echo "make setup    install what the portal needs"
