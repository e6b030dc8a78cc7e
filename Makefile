# make        .venv with everything        make demo   from drawn photos to a trained toy, to look at
# make test   lint, types, quick tests     make test-long   the tests of clusters and of long runs
# make bench  the short benchmarks as Markdown                 make docs   the documentation as pages
# make clean  remove what make made
PYTHON ?= $(shell command -v python3.11 || command -v python3)
WHEELS := $(wildcard ../shared/wheels)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: all demo test test-long bench docs lint clean

all: .venv/all.installed

.venv/bin/python:
	$(PYTHON) -m venv .venv

# [vision] only where a build of torchvision lies that works beside the CPU build of torch.
.venv/all.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing everything into .venv: some gigabytes, minutes on a fast line."
	$(PIP) --editable '.[all]'
	$(if $(WHEELS),$(PIP) --find-links $(WHEELS) --editable '.[all$(comma)vision]')
	touch $@ .venv/models.installed

comma := ,

# What training needs besides.
.venv/models.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing what building and training need into .venv: some gigabytes, minutes on a fast line."
	$(PIP) --editable '.[models]'
	touch $@

DEMO := output/demo
RECIPES := auto,hrviton,vitonhd,ootdiffusion,idm_vton,catvton,ladi,dresscode,fitdit,leffa

demo: .venv/models.installed
	$(BIN)/python -m pipelines.build_vitonhd --runner DirectRunner --agnostic-recipe $(RECIPES) --output $(DEMO)/shards
	$(BIN)/python -m pipelines.validate $(DEMO)/shards
	$(BIN)/python -m pipelines.report $(DEMO)/shards
	$(BIN)/python -m vton_models train catvton --tiny --shards $(DEMO)/shards --steps 30 --pictures-every 10 \
		--validation-inference-steps 5 --log-every 2 --output $(DEMO)/run
	$(BIN)/python -m vton_models sample catvton --weights $(DEMO)/run --shards $(DEMO)/shards --split test \
		--num-inference-steps 5 --output $(DEMO)/samples
	$(BIN)/python -m pipelines.gallery --shards $(DEMO)/shards --report $(DEMO)/shards.html --run $(DEMO)/run \
		--samples $(DEMO)/samples --output $(DEMO)
	@echo
	@echo "to look at:  $(CURDIR)/$(DEMO)/index.html"
	@echo "next:    . .venv/bin/activate    (then python -m pipelines lists the commands)"

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not long" tests

test-long: .venv/all.installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m long tests

bench: .venv/all.installed
	@$(BIN)/python -m benchmarks.short

# output/docs/index.html
docs: .venv/all.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/site/mkdocs.yml

lint: .venv/all.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv output build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
