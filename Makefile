# Two commands on a fresh machine: `make demo` and `make test`. Both do their own set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEMO   := $(VENV)/.demo
# Processes that test side by side: most of their time is waiting for brokers and stores.
JOBS   ?= 3

.PHONY: demo test lint audit docs dashboard-components bench clean

demo: $(DEMO)
	$(BIN)/hitl demo

test: $(STAMP)
	$(BIN)/pytest -n $(JOBS) --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture app --min-confidence 90
	$(BIN)/bandit --quiet --recursive --severity-level medium app deploy

# Known vulnerabilities of the pinned versions. Asks a service outside, and so is no part of the checks; what that
# does not know fails. With ADVISORIES=<folder> nothing leaves this machine: docs/security.md says what is in it.
audit: $(if $(ADVISORIES),,$(STAMP))
ifdef ADVISORIES
	OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY=$(ADVISORIES) osv-scanner scan source --offline \
	  --lockfile requirements.txt:constraints.txt --lockfile grafana/picture/package-lock.json --lockfile examples/java/pom.xml
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9,<3'
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip
endif

# The documentation as pages: open .cache/site/index.html. A broken link fails.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Grafana's React components, to draw dashboards without a Grafana server. Needs Node.js.
dashboard-components: grafana/picture/node_modules/.package-lock.json

grafana/picture/node_modules/.package-lock.json: grafana/picture/package-lock.json
	cd grafana/picture && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

bench: $(STAMP)
	$(BIN)/python -m bench

# What the demo, `hitl up` and the examples need: half of what the tests do.
$(DEMO): pyproject.toml constraints.txt
	@echo 'Installing into $(VENV); this takes a minute or more.'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,client]'
	@touch $@

$(STAMP): pyproject.toml constraints.txt
	@echo 'Installing into $(VENV) with everything that the tests need; this takes some minutes.'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,dev]'
	@touch $(DEMO) $@

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
