# make        .venv with everything        make demo   build, check and show the embedded sample
# make test   lint, types, quick tests     make test-long   the tests of clusters and of long runs
# make bench  the short benchmarks as Markdown                 make clean  remove what make made
PYTHON ?= $(shell command -v python3.11 || command -v python3)
WHEELS := $(wildcard ../shared/wheels)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: all demo test test-long bench lint clean

all: .venv/all.installed

.venv/bin/python:
	$(PYTHON) -m venv .venv

# What building needs, without test tools and models.
.venv/core.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing what building needs into .venv."
	$(PIP) --editable .
	touch $@

# [vision] only where a build of torchvision lies that works beside the CPU build of torch.
.venv/all.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing everything into .venv: some gigabytes, minutes on a fast line."
	$(PIP) --editable '.[all]'
	$(if $(WHEELS),$(PIP) --find-links $(WHEELS) --editable '.[all$(comma)vision]')
	touch $@ .venv/core.installed

comma := ,

demo: .venv/core.installed
	$(BIN)/python -m pipelines.build_vitonhd --runner DirectRunner --output output/demo
	$(BIN)/python -m pipelines.validate output/demo
	$(BIN)/python -m pipelines.report output/demo
	@echo
	@echo "shards:  $(CURDIR)/output/demo"
	@echo "report:  $(CURDIR)/output/demo.html"
	@echo "next:    . .venv/bin/activate    (then python -m pipelines lists the commands)"

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not long" tests

test-long: .venv/all.installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m long tests

bench: .venv/all.installed
	@$(BIN)/python -m benchmarks.short

lint: .venv/all.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv output build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
