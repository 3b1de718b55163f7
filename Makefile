# Everything starts here. On a machine with Python (3.10 or later), git and make:
#
#     make demo       the lectures, in JupyterLab
#     make test       every test
#
# Each target makes what it needs first, and nothing is made twice: what was done is known by the files in .venv/stamps and by what
# was made, which are older or newer than what they were made from.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps

# Where the machine has no Node, .venv/bin holds one (tools/ensure_node.sh); npm must find it first.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
NPM := $(WITH_NODE) npm --prefix js --no-fund --no-audit --no-update-notifier

# What the front end's build writes last: the checksums of its sources (js/build.mjs).
FRONT_END := curvwidget/static/sources.sha256
FRONT_END_SOURCES := $(shell find js/src -type f) js/build.mjs js/tsconfig.json
# What npm writes last into its folder.
NODE_MODULES := js/node_modules/.package-lock.json

# One process a processor, each with one thread: several threads in each would wait for one another.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal
# pytest ends with 5 where no test is left: what somebody asks for in ARGS may be in one of two calls alone. The shell never sees ARGS
# here, for it may hold quotes.
NONE_CHOSEN := $(if $(strip $(ARGS)),test $$? = 5,false)

##@ For everybody

.PHONY: help
help: ## What can be made
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: env ## The lectures in JupyterLab (ARGS=--no-browser to serve without opening, ARGS="--port 8890")
	$(BIN)/python -m curvwidget demo $(ARGS)

.PHONY: test
test: test-js browser env ## Every test: vitest, Python with doctests, browser, notebooks (ARGS="-k saddle" goes to pytest)
	$(PARALLEL) -m "not browser" $(ARGS) || $(NONE_CHOSEN)
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS) || $(NONE_CHOSEN)

##@ For developers

.PHONY: test-python
test-python: env ## The Python tests and doctests alone: no browser, no notebooks
	$(PARALLEL) -m "not browser and not notebook" $(ARGS)

.PHONY: test-browser
test-browser: browser env ## The browser tests alone
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

.PHONY: test-notebooks
test-notebooks: env ## The notebooks alone, each run from top to bottom
	$(BIN)/python -m pytest -m notebook tests/notebooks $(ARGS)

.PHONY: oracles
oracles: $(STAMPS)/oracles ## Ours beside other packages' Hessians, which are installed for it
	ORACLES=required $(BIN)/python -m pytest tests/oracles $(ARGS)

.PHONY: bench
bench: $(STAMPS)/bench env ## Costs beside other packages, into benchmarks/results (ARGS="hvp slices", ARGS=--quick, ARGS="--device cuda")
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: test-js
test-js: $(NODE_MODULES) ## The front end's tests (vitest)
	$(NPM) run test

.PHONY: lint
lint: env $(NODE_MODULES) ## ruff check, ruff format --check, prettier
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(NPM) run lint

.PHONY: types
types: env $(NODE_MODULES) ## mypy --strict, tsc
	$(BIN)/mypy
	$(NPM) run typecheck

.PHONY: docs
docs: $(STAMPS)/docs env ## The documentation, in docs/_build/html; what is wrong with it is an error
	rm -rf docs/_build
	$(BIN)/python -m sphinx -b html -q -W --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

.PHONY: lectures
lectures: env ## The lectures run, and saved with what they show (all, or ARGS="02 07"); some two minutes
	$(BIN)/python tools/run_lectures.py $(ARGS)

.PHONY: screenshot
screenshot: env ## The README's picture, taken anew (needs Chromium)
	$(BIN)/python tools/screenshot.py

.PHONY: screenshots
screenshots: env ## Every view of the lectures, light and dark, to be looked at (ARGS="02 07 --vision deuteranopia")
	$(BIN)/python tools/lecture_screenshots.py $(ARGS)

.PHONY: format
format: env ## Let ruff put the Python files in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: build
build: env ## Wheel and sdist, in dist/
	rm -rf dist
	$(WITH_NODE) $(BIN)/python -m build

.PHONY: clean
clean: ## Remove what was made: environment, front end, caches
	rm -rf $(VENV) dist build docs/_build docs/reference docs/lectures docs/benchmarks docs/benchmarks.md js/node_modules js/coverage
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/browser/screenshots
	find curvwidget/static -type f ! -name .gitkeep -delete
	find curvwidget tests -type d -name __pycache__ -prune -exec rm -rf {} +

##@ What these need

.PHONY: env
env: $(STAMPS)/package $(FRONT_END) ## The environment, in .venv

.PHONY: front-end
front-end: $(FRONT_END) ## The widgets' front end, in curvwidget/static

.PHONY: browser
browser: ## Chromium for the browser tests: under CI=true installed where it is missing, else left to you
	@sh tools/ensure_browser.sh

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	{ echo "curvwidget needs Python 3.10 or later; say which by make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMPS)/package: pyproject.toml constraints.txt $(wildcard hatch_build.py) | $(BIN)/pip $(FRONT_END)
	$(WITH_NODE) $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/oracles: $(STAMPS)/package
	$(WITH_NODE) $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,oracles]'
	@touch $@

$(STAMPS)/bench: $(STAMPS)/package
	$(WITH_NODE) $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,bench]'
	@touch $@

$(STAMPS)/docs: $(STAMPS)/package
	$(WITH_NODE) $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,docs]'
	@touch $@

$(STAMPS)/node: tools/ensure_node.sh | $(BIN)/pip
	sh tools/ensure_node.sh $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(NODE_MODULES): js/package.json js/package-lock.json $(STAMPS)/node
	$(NPM) ci
	@touch $@

$(FRONT_END): $(FRONT_END_SOURCES) $(NODE_MODULES)
	$(NPM) run build
