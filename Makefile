# One command per chore, the same for people and CI. Each sets up what it needs on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= demo
COMPAT := .venv-compat
TOOLS := evaluators llamafactory swift

.PHONY: setup check test demo bench compat

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	@command -v $(or $(CXX),c++) > /dev/null || { echo "revolion's metrics are compiled from C++:" \
		"a compiler is needed (Debian: apt-get install g++), or CXX=/path/to/one" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,meteor]'
	touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/pytest -n 2 --cov --cov-report=term

demo: setup
	$(BIN)/revolion demo $(DEMO) --noise 0.3

bench: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python bench/study.py --times 3 --plain
	$(BIN)/python bench/metrics.py --pipeline 20000

# Other people's tools, each with its own pins, load the exports. revolion itself goes in anew.
compat: setup $(TOOLS:%=$(COMPAT)/%/ready)
	$(COMPAT)/evaluators/bin/python -m pip install --quiet --no-deps --force-reinstall .
	$(BIN)/python compat/exports.py $(COMPAT)/exports
	for tool in $(TOOLS); do $(COMPAT)/$$tool/bin/python -m pytest compat/$$tool || exit 1; done

$(COMPAT)/%/ready: compat/%.txt
	$(PYTHON) -m venv $(COMPAT)/$*
	$(COMPAT)/$*/bin/python -m pip install --quiet --no-deps --requirement $<
	touch $@
