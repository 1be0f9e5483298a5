# Two commands from a fresh checkout: `make demo` and `make test`. Each makes .venv and installs
# what it needs; Python 3.11-3.13 and a network (for the first installation) are all they ask for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test clean

demo: $(VENV)/.installed
	$(BIN)/dsps-sbi demo -o demo_output

test: $(VENV)/.installed-test
	@$(BIN)/dsps-sbi fetch bc03-miles || \
	  echo "NOTICE: no SSP grid (offline?): tests on real stellar populations are skipped, the toy grid serves the rest"
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2 --dist loadfile

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" || \
	  { echo "Python 3.11 to 3.13 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The tested versions first; should one of them have gone from the index, those that pip finds.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e . || \
	  { echo "NOTICE: tested versions not available, installing current ones"; $(PIP) install -e .; }
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[test]' || \
	  { echo "NOTICE: tested versions not available, installing current ones"; $(PIP) install -e '.[test]'; }
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .pytest_cache demo_output
