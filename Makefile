# One word per task, the same for people and for CI.
PYTHON ?= python3
BIN := .venv/bin
WAREHOUSE ?= var/fanin.duckdb

NODE_FOLDERS := tests/audits tests/clients

.PHONY: run test test-pythons audit setup check node chdb fix golden bench soak clean

run: .venv/.installed
	@$(BIN)/python samples/load.py $(WAREHOUSE)
	@$(BIN)/fanin serve --warehouse duckdb:///$(WAREHOUSE)

test: check node
	$(BIN)/pytest -n auto --dist worksteal

# Every supported Python that is on PATH: installed, imported, asked a batch.
test-pythons:
	.ci/pythons

# Known vulnerabilities of what is installed; in an environment of its own, as the tool brings much along.
audit: setup
	@{ $(BIN)/python -m venv .venv/audit && .venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit 2>/dev/null; } \
	  && .venv/audit/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
	  || { test -x .venv/audit/bin/pip-audit || echo "pip-audit cannot be installed from here, so nothing was audited."; test ! -x .venv/audit/bin/pip-audit; }

setup: .venv/.ready

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --warnings

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

golden: setup
	FANIN_GOLDEN=rewrite $(BIN)/pytest tests/test_golden.py tests/test_readme.py tests/schema/test_sdl.py tests/ingest/test_docs.py tests/server/test_operating.py tests/faults/test_beside.py

# For tests/server/test_audits.py and test_clients.py.
node: $(NODE_FOLDERS:%=%/node_modules/.installed)

%/node_modules/.installed: %/package.json
	@{ command -v npm >/dev/null && npm install --silent --fetch-retries=1 --fetch-retry-mintimeout=1000 --no-package-lock --no-fund --no-audit --prefix $* && touch $@; } \
	  || echo "No npm here, or no registry: what runs in $* is skipped."

# ClickHouse's engine for the tests of that warehouse, half a gigabyte, in an environment of its own.
chdb: .venv/chdb/.ready

.venv/chdb/.ready: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv/chdb
	.venv/chdb/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev-clickhouse]' && touch $@

bench: setup
	$(BIN)/python -m benchmarks

soak: setup
	$(BIN)/python -m benchmarks.soak

clean:
	rm -rf .venv .typing build dist *.egg-info $(NODE_FOLDERS:%=%/node_modules)

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

# The package's name is not its folder's name: a link lets the type checker find `fanin`.
.venv/.ready: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@mkdir -p .typing && ln -sfn .. .typing/fanin
	@touch .venv/.installed $@
