# Needs python3 (3.11 or newer), make and a package index; everything else goes to .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
JOBS ?= 2
NEWEST ?= python3
MINIMUM ?= python3.10

.PHONY: help demo test test-slow newest minimum parity results lint format docs package clean
.DELETE_ON_ERROR:

help:
	@echo "make demo     a table on digits and the effect on stability: demo/report.html"
	@echo "make test     the tests, but for the slow ones"
	@echo "make test-slow  larger cases, kill campaigns, several hosts, full disks, notebook"
	@echo "make newest   the library's tests on the newest JAX (NEWEST=python3.13)"
	@echo "make minimum  some of them on the oldest Python and JAX (MINIMUM=python3.10)"
	@echo "make parity   the tests against PyTorch (installs torch)"
	@echo "make results  the tables and pictures of results/, from its rows"
	@echo "make lint     ruff and mypy"
	@echo "make docs     the documentation as HTML in docs/_build/html"
	@echo "make package  dist/, checked and tried alone; TAG=v0.2.0 must be its version"

# Too old a Python would stay in $(VENV), and so would half of one.
SUPPORTED := -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and \
  "ERROR: Python 3.11 or newer is needed, not %d.%d: rm -rf $(VENV); make PYTHON=..." % v)'

$(BIN)/python:
	@$(PYTHON) $(SUPPORTED)
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# One stamp per set of extras: installed again when pyproject.toml changes.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	@$(BIN)/python $(SUPPORTED)
	$(PIP) -e '.[$(subst +,$(,),$*)]'
	@touch $@
, := ,

demo: $(VENV)/.experiments
	$(BIN)/python -m experiments table digits --out demo --overwrite
	rm -rf demo/stability
	$(BIN)/python -m experiments stability --quick --optimizers sgd --out demo/stability
	$(BIN)/python -m experiments report demo --out demo

test: $(VENV)/.experiments+data+test
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal \
	  -m "not slow and not torch" $(PYTEST_ARGS)

test-slow: $(VENV)/.experiments+data+test
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 \
	  $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m slow $(PYTEST_ARGS)

newest:
	test -x .venv-newest/bin/python || $(NEWEST) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check \
	  '.[experiments,test]' $(WITH)
	.venv-newest/bin/python -m pytest -n $(JOBS) -m "not slow" \
	  tests/library landmod_jax $(PYTEST_ARGS)

minimum:
	test -x .venv-minimum/bin/python || $(MINIMUM) -m venv .venv-minimum
	.venv-minimum/bin/python -m pip install --quiet --disable-pip-version-check \
	  '.[test]' scipy jax==0.6.2 jaxlib==0.6.2 optax==0.2.8
	.venv-minimum/bin/python -m pytest -n $(JOBS) -m "not slow" landmod_jax \
	  tests/library/test_transform.py tests/library/test_landscape.py \
	  tests/annealing/test_numpy_loop.py $(PYTEST_ARGS)

parity: $(VENV)/.experiments+test+parity
	$(BIN)/python -c "import torch"
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 \
	  $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m torch $(PYTEST_ARGS)

results: $(VENV)/.experiments
	$(BIN)/python -m experiments results

lint: $(VENV)/.experiments+test+lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.experiments+test+lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.experiments+docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# From the wheel, in an environment that has nothing else.
package: $(VENV)/.package
	rm -rf dist .venv-package
	$(BIN)/python -m build --installer pip >/dev/null
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv .venv-package
	.venv-package/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	.venv-package/bin/python -I examples/plain_jax.py
	.venv-package/bin/python -I -c 'import landmod_jax, sys; \
	  version = "v" + landmod_jax.__version__; print(version, landmod_jax.__file__); \
	  sys.exit(sys.argv[1] not in ("", version) and "the tag is %s" % sys.argv[1])' "$(TAG)"

clean:
	rm -rf $(VENV) demo dist docs/_build .pytest_cache .mypy_cache .ruff_cache
