# `make demo` and `make test` set up what they need in .venv from the lock files; nothing is installed globally.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: demo test chaos simtest check format lock clean

demo: .venv/run.stamp
	$(BIN)/iotrules demo $(ARGS)

test: .venv/dev.stamp
	$(BIN)/pytest $(ARGS)

# The long run against real processes (docs/reliability.md); its table is .chaos/table.md.
KILLS ?= 200
SEED ?= 1
DEVICES ?= 200
RATE ?= 10
chaos: .venv/dev.stamp
	$(BIN)/python -m tests.chaos.run --kills $(KILLS) --seed $(SEED) --devices $(DEVICES) --rate $(RATE) $(ARGS)
# Deterministic simulation (docs/reliability.md): SEEDS seeds, from FIRST on; or SEED, one of them with its history.
SEEDS ?= 1000
FIRST ?= 0
simtest: .venv/dev.stamp
	$(BIN)/python -m tests.simulation $(if $(filter command% environment%,$(origin SEED)),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST)) $(ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/iotrules check rules/ --functions lambdas/template.yaml
	$(BIN)/iotrules lint rules/
	$(BIN)/iotrules test rules/ --coverage --mutate

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/run.stamp: requirements/run.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/dev.stamp: requirements/dev.lock .venv/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	touch $@

# Needs uv on the PATH. No address of an index may stand in a lock.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
lock:
	$(LOCK) pyproject.toml requirements/build.in -o requirements/run.lock
	$(LOCK) pyproject.toml requirements/build.in --extra dev -c requirements/run.lock -o requirements/dev.lock

clean:
	rm -rf .venv .iotrules
