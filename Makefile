# Everyday commands, of the first study; those that say so take STUDY=studies/NAME for another. Each makes .venv when it is missing; nothing but a browser for the tests is installed or written outside this folder.
.PHONY: help repository run pull verify trace review test after-run verification negative-controls release browser lint check tables experiments diff deps notebooks manifest install clean
.DEFAULT_GOAL := help

PYTHON ?= python3.11
BASE ?= main
HEAD ?= HEAD
PICTURES ?=
EXPERIMENTS ?=
STUDY ?= .
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DVC_SITE_CACHE_DIR ?= $(CURDIR)/.dvc/tmp/site
RADIOTRACE = python -m radiotrace --study '$(STUDY)'
MEMBERS = $(wildcard $(STUDY)/members/*.dvc)
PIP = .venv/bin/python -m pip --disable-pip-version-check install --quiet --no-compile
COMPILE = .venv/bin/python -m compileall -q -j 0 -x '/tests?/' .venv/lib > /dev/null || true  # on all cores, where pip takes one; some files are templates, which fail

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20
	@echo; echo "run, pull, verify, trace, review, experiments and manifest take STUDY=studies/NAME; 'python -m radiotrace new' lays out such a study of your own data"

repository:
	@test -e .git || { echo "this is no git repository (a ZIP, perhaps), and everything here is looked up in one: take 'git clone' instead; or, without its history, 'git init -b main && git add -A && git commit -m start'" >&2; exit 1; }
	@git rev-parse -q --verify HEAD > /dev/null 2>&1 || { git rev-parse -q --verify HEAD; echo "git does not read this repository: where it is another user's, run: git config --global --add safe.directory '$(CURDIR)'; where it has no commit yet: git add -A && git commit -m start" >&2; exit 1; }

run: repository .venv/runtime ## pull the data set, or make one that is made by a seed, run all stages (those that changed, in a clone that has run before), print the results
	@test ! -f '$(STUDY)/data.generate' || test -e '$(STUDY)/data' \
	  || { python -m radiotrace generate $$(cat '$(STUDY)/data.generate') --out '$(STUDY)/execution/generated' && mv '$(STUDY)/execution/generated/data' '$(STUDY)/data'; }
	@test -f '$(STUDY)/data.generate' || { cd '$(STUDY)' && dvc pull --quiet data.dvc; } || echo "data/ was not pulled: it was changed, or data.dvc leads nowhere; ingest says what differs" >&2
	@test -z '$(MEMBERS)' || dvc pull --quiet $(MEMBERS)
	cd '$(STUDY)' && dvc repro $(if $(wildcard $(STUDY)/build),,--force)
	@echo; $(RADIOTRACE) results

pull: repository .venv/runtime ## bring the data, the submitted model and every output; run nothing
	cd '$(STUDY)' && dvc pull
	@echo; $(RADIOTRACE) results

verify: repository .venv/runtime ## what holds of the evidence, and what was not checked; after 'make pull'
	python -I radiotrace/__main__.py --study '$(STUDY)' verify

trace: .venv/runtime ## everything that hangs together with ITEM=…: a requirement, a risk, a test, a file, a case, a subject
	@test -n '$(ITEM)' || { echo "say of what: make trace ITEM=SRS-SPLIT-1" >&2; exit 1; }
	@$(RADIOTRACE) trace '$(ITEM)'

review: .venv/runtime ## a page of all items of software/design/ and the study's design/ that wait for review, with what changed; it says how to sign them
	@$(RADIOTRACE) review --all

test: repository .venv/dev .venv/predict .venv/nnunet browser ## the whole test suite; what it came to goes to execution/
	python -m pytest --record execution/tests.json --junitxml execution/tests.junit.xml

after-run: .venv/dev browser ## 'make run', then 'make test', where a run does not give our bytes: in a clone of HEAD, with a short run and the fast tests
	.ci/after-run

verification: .venv/dev browser ## record what the tests of requirements and the negative controls come to; then 'dvc repro evidence'
	python -m pytest -m requirement --record software/verification/tests.json --junitxml execution/tests.junit.xml
	cd '$(STUDY)' && dvc pull --quiet --allow-missing
	$(RADIOTRACE) negative-controls

negative-controls: .venv/dev ## seed every fault that was not yet seen with this code; each must turn its requirement red
	$(RADIOTRACE) negative-controls

release: .venv/dev browser ## the first study and the software, from committed sources to signed evidence that a fresh clone verifies, with RELEASE='--dry-run', '--commit', …; goes on where it stopped
	@python -m radiotrace release $(RELEASE)

browser: ## Chromium, which opens the report in a test; installed with apt-get where there is no browser and this is root
	@command -v chromium google-chrome chromium-browser google-chrome-stable > /dev/null || test "$$(id -u)" != 0 || ! command -v apt-get > /dev/null \
	  || { echo "installing Chromium" >&2; apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium > /dev/null; }

lint: .venv/dev ## ruff (rules and layout), types of radiotrace and stages, and actionlint over the workflows
	ruff check .
	ruff format --check --quiet .
	basedpyright
	actionlint

check: repository .venv/runtime ## dvc.lock of every study fits the code and the parameters, the datastore holds what is locked, the last tests are those of the evidence
	@said=$$(dvc repro --dry --allow-missing --all-pipelines) || { echo "$$said"; exit 1; }; echo "$$said" | sed '/^>/d'; \
	  if echo "$$said" | grep -q '^Running stage'; then echo "dvc.lock does not fit the code, the parameters or design/: 'dvc repro'" >&2; exit 1; fi
	python -m radiotrace datastore
	@test ! -f execution/tests.json || cmp execution/tests.json software/verification/tests.json \
	  || { echo "the tests came to something else than software/verification/tests.json says: 'make verification', then 'dvc repro evidence'" >&2; exit 1; }

experiments: repository .venv/runtime ## experiments of this commit, with what differs among them: parameters, means, verdicts; 'dvc exp show' has all 500 columns. EXPERIMENTS=--all-commits
	@cd '$(STUDY)' && dvc exp show --md --only-changed --drop 'ci95|n_undefined|observed|threshold|run_id|^(calibration|subgroup|uncertainty|hausdorff|surface|volume_)|/|\.py$$' $(EXPERIMENTS)

diff: repository .venv/runtime ## another revision (BASE=main) against this folder, as Markdown: metrics, parameters, case by case; with PICTURES=address of the repository on the web, its test cases
	@git rev-parse -q --verify '$(BASE)^{commit}' > /dev/null || { echo "make diff: there is no $(BASE) in this clone: 'git fetch origin $(BASE):$(BASE)', or name another revision, as BASE=origin/main" >&2; exit 1; }
	@printf '### Metrics against %s\n\n' '$(BASE)'; dvc metrics diff '$(BASE)' --md
	@printf '\n### Parameters against %s\n\n' '$(BASE)'; dvc params diff '$(BASE)' --md
	@printf '\n### Case by case\n\n```\n'; python -m radiotrace compare '$(BASE)' workspace 2>&1 || true; printf '```\n'
	@test -z '$(PICTURES)' || printf '\n### Test cases: worst, median, best\n\n| %s | here |\n|---|---|\n| ![before](%s) | ![here](%s) |\n' '$(BASE)' \
	  "$(PICTURES)/blob/$$(git rev-parse '$(BASE)')/metrics/test_cases.svg?raw=true" "$(PICTURES)/blob/$$(git rev-parse '$(HEAD)')/metrics/test_cases.svg?raw=true"

deps: .venv/runtime ## write what follows from the code: commands, deps and outs into the dvc.yaml of each study, schemas of dataclasses and names of measures into schemas/; after a change of imports, of records or of measures
	python -m radiotrace.commands.schemas
	python -m radiotrace.commands.metric_names
	python -m radiotrace.evidence.verify.workflow

notebooks: .venv/dev ## write notebooks/*.ipynb, without outputs, of notebooks/*.py, which people edit
	python -m tests.notebook_files

manifest: .venv/runtime ## accept the files in the study's data/ as they are: rewrites data.sha256 and data.dvc
	$(RADIOTRACE) manifest
	cd '$(STUDY)' && dvc add --quiet data

install: .venv/dev ## .venv with runtime and test tools; the other commands do it by themselves

.venv/runtime: requirements.txt $(shell sed -n 's/^-r //p' requirements.txt)
	@echo "installing requirements.txt into .venv (a minute or two)" >&2
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@$(PIP) -r requirements.txt
	@$(COMPILE)
	@printf '#!/bin/sh\n# In the root of a clone, what "python -m radiotrace" does.\nexec "$$(dirname "$$0")/python" -m radiotrace "$$@"\n' > .venv/bin/radiotrace && chmod +x .venv/bin/radiotrace
	@touch $@

.venv/dev: .venv/runtime requirements/dev.txt requirements/cluster.txt requirements/dicom.txt requirements/search.txt requirements/notebooks.txt
	@$(PIP) -r requirements/dev.txt -r requirements/search.txt -r requirements/notebooks.txt
	@$(COMPILE)
	@touch $@

.venv/predict: .venv/dev requirements/predict.in
	@$(PYTHON) -m venv .venv/without-torch
	@.venv/without-torch/bin/python -m pip --disable-pip-version-check install --quiet -r requirements/predict.in
	@touch $@

# nnU-Net in an environment that sees the packages of .venv, torch among them; --no-deps: requirements/nnunet.txt says why.
.venv/nnunet: .venv/dev requirements/nnunet.txt
	@.venv/bin/python -m venv .venv/with-nnunet
	@.venv/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$(.venv/with-nnunet/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/main.pth"
	@.venv/with-nnunet/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r requirements/nnunet.txt
	@touch $@

# One file of one package, laid beside the environment: lifelines asks for pandas below 3. What is in .venv/tables is never imported.
tables: .venv/runtime radiotrace/tabular/shipped.txt ## lay the package that ships GBSG2 into .venv/tables, for 'python -m radiotrace shipped gbsg2 --out FOLDER'
	@.venv/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-compile --require-hashes --upgrade --target .venv/tables -r radiotrace/tabular/shipped.txt

clean: ## remove outputs, checkpoints, memos and .venv; keep the data
	rm -rf build .checkpoints .memo .venv dvc_plots
