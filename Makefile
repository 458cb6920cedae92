.DEFAULT_GOAL := help
.PHONY: help install grpc demo down docs test unit server stack lint compat chaos bench clean

BIN := .venv/bin
STAMP := .venv/.installed

help:
	@echo "make demo     install, train on real digits, serve the model, ask it"
	@echo "make down     stop everything the demo started"
	@echo "make docs     the documents as pages, build/site/index.html"
	@echo "make test     install, then lint, types, import rules and all tests"
	@echo "make lint     lint, types and import rules alone"
	@echo "make unit     tests of decisions and parsers alone, in seconds; parsers are fed nonsense, too"
	@echo "make chaos    kill parts of a working stack, 50 times, and look whether anything was lost;"
	@echo "              feed every parser nonsense for ten minutes"
	@echo "make compat   what is used of other libraries' private names, against other versions: RAY=2.61.0"
	@echo "make bench    measure the first minutes, versions that change, parts that die, many orders at once, peers"
	@echo "make install  .venv with the locked dependencies and this checkout"
	@echo "make clean    remove .venv, caches and build outputs"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@.ci/install

# Checked in, so that neither a checkout nor an install needs the compiler.
grpc: $(STAMP)
	$(BIN)/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src --grpc_python_out=src \
		journeyman/serve/protocols/open_inference_rpc.proto

demo: $(STAMP)
	@$(BIN)/python examples/digits/demo.py

down: $(STAMP)
	@$(BIN)/journeyman down --yes

docs:
	@.ci/docs

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two processes: much of what a stack's tests do is wait, and the others give way to them. Two Rays at once are too
# much for two cores.
test: lint unit
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target server stack

unit: $(STAMP)
	$(BIN)/pytest -q tests/unit -m "not long" --durations=5
	$(BIN)/pytest -q tests/fuzz --fuzz-seconds 1

server: $(STAMP)
	nice -n 10 $(BIN)/pytest -q tests/compat tests/server --durations=10

stack: $(STAMP)
	$(BIN)/pytest -q tests/stack -m "not long" --durations=15

# Private names of other libraries, against other versions of them: make compat RAY=2.61.0 MLFLOW=3.18.0
compat: $(STAMP)
	@.ci/compat $(if $(RAY),ray==$(RAY)) $(if $(MLFLOW),mlflow==$(MLFLOW) mlflow-skinny==$(MLFLOW)) \
		$(if $(TORCH),torch==$(TORCH))

chaos: $(STAMP)
	@$(BIN)/pytest -q -m long
	@$(BIN)/pytest -q tests/fuzz --fuzz-seconds 600
	@$(BIN)/python tests/chaos/chaos.py --seeds 50

bench: $(STAMP)
	@$(BIN)/python benchmarks/first_light.py
	@$(BIN)/python benchmarks/base.py
	@$(BIN)/python benchmarks/serving.py
	@$(BIN)/python benchmarks/engines.py
	@$(BIN)/python benchmarks/shortcut.py
	@$(BIN)/python benchmarks/idle_time.py

clean:
	rm -rf .venv .venv-docs .venv-compat build dist src/*.egg-info .demo
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
