# The shortcuts of the laboratory; `make help` lists them. Everything here can be typed by hand too: see README.md.
# Written for GNU make 3.81 (macOS) and newer. Paths are relative, so the folder's name may hold spaces.

PYTHON ?= python3
EXPERIMENT = single_node
COMPARISON = ray_vs_multiprocessing
PROFILE = quick
WORK =
ITEMS =
WORKERS =
RUN_ID =
NODES = 5
CPU_LIMIT = 2
MEMORY_LIMIT = 3g
RUN =
TRIAL =
IMAGE =
NAMESPACE = ray-scaling-lab
TESTS =

python = .venv/bin/python
# jupyter looks for its kernel in .venv before it looks in the user's home
export JUPYTER_PREFER_ENV_PATH = 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup own report book sphinx build run trace validate test fuzz chaos tidy bench bench-primes bench-images bench-factoring bench-dispatch \
	lock docker-build sbom docker-up docker-report docker-token docker-down slurm-up slurm-report slurm-down upgrade-helm clean distclean known-profile

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: .venv/.installed-report ## Set up .venv with the command lab
	@echo "==> Ready. To have the command lab in this shell: . .venv/bin/activate"

own: .venv/.installed-report ## Measure your own function, build the book (WORK=my_job.py:work ITEMS=my_job.py:items WORKERS=1,2)
	@$(python) -m lab run '$(WORK)' $(if $(ITEMS),--items '$(ITEMS)') $(if $(WORKERS),--workers '$(WORKERS)') \
		&& $(python) -m lab book

report: known-profile .venv/.installed-report ## Run an experiment, build the book (PROFILE=full WORKERS=[1,2] RUN_ID=name)
	@mkdir -p out
	@echo "==> Running notebooks/$(EXPERIMENT).ipynb with the profile $(PROFILE) (Ctrl-C stops it)"
	@$(run_notebook)
	@$(MAKE) --no-print-directory book

book: .venv/.installed-report ## Build the book alone, from the CSV files in data/
	@$(python) -m lab book

# The generated conf.py names two extensions that Sphinx 9 does not need, and has no Jupyter Book to take from.
sphinx: .venv/.installed-report ## Build the same pages with Sphinx 9 alone, without Jupyter Book, in _build/sphinx
	@mkdir -p out
	@$(python) -m uv venv --quiet --allow-existing --python .venv/bin/python out/sphinx
	@$(python) -m uv pip install --quiet --python out/sphinx/bin/python 'sphinx>=9' myst-nb sphinx-book-theme \
		sphinx-external-toc sphinx-copybutton numpy pandas scipy matplotlib psutil PyYAML
	@trap 'rm -f conf.py' EXIT; .venv/bin/jupyter-book config sphinx . >/dev/null && \
		sed -i.bak "s/'sphinx_comments', //; s/'jupyter_book', //" conf.py && rm conf.py.bak && \
		PYTHONPATH=. out/sphinx/bin/python -m sphinx -W -n --keep-going -q . _build/sphinx
	@echo "==> Done. The first page: $(CURDIR)/_build/sphinx/book/index.html"

build: docker-build ## Build the image that `make run` runs in, that of the Ray cluster

run: EXPERIMENT = $(COMPARISON)
run: again = make run COMPARISON=$(EXPERIMENT)
run: known-profile .venv/.installed-report ## Compare engines in one container, build the book (CPU_LIMIT=4 MEMORY_LIMIT=6g PROFILE=full)
	@$(docker_ready)
	@$(MAKE) --no-print-directory docker-build
	@trap : INT; $(python) -m lab.experiment.contained run $(EXPERIMENT) $(PROFILE) \
		$(if $(WORKERS),'workers=$(WORKERS)') $(if $(RUN_ID),'run_id=$(RUN_ID)') \
		--image '$(image)' --cpus '$(CPU_LIMIT)' --memory '$(MEMORY_LIMIT)'
	@$(MAKE) --no-print-directory book

validate: .venv/.installed-report ## Measure the lab's own measuring beside other instruments (about 7 minutes)
	@if docker ps >/dev/null 2>&1 && $(compose) version >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory docker-build; fi
	@$(python) -m lab validate

trace: .venv/.installed-report ## Write one trial for Perfetto into out/ (RUN=RUN_ID TRIAL=012-1)
	@mkdir -p out
	@$(python) -m lab trace '$(RUN)' $(if $(TRIAL),--trial '$(TRIAL)') -o out

test: .venv/.installed-test ## Run every check and every test (TESTS=tests/test_house.py: these only)
	@echo "==> ruff: errors and style"
	@$(python) -m ruff check --quiet .
	@$(python) -m ruff format --quiet --check . || \
		{ echo "Some files are not formatted: make tidy" >&2; exit 1; }
	@echo "==> mypy: types of lab/ and benchmarks/"
	@$(python) -m mypy --no-error-summary
	@echo "==> nbstripout: notebooks hold no outputs"
	@$(python) -m nbstripout --verify $(notebooks) </dev/null || \
		{ echo "Some notebooks hold outputs: make tidy" >&2; exit 1; }
	@echo "==> zizmor: workflows"
	@.venv/bin/zizmor --offline --quiet --persona pedantic --min-severity low .github/workflows deploy/github
	@$(if $(TESTS),echo "==> pytest"; $(python) -m pytest $(TESTS),$(every_test))

# Most tests wait more than they compute, so four run at a time. What compares times comes last, and alone.
# What failed is run once more, alone: a fault fails again, a neighbour who took the machine for a minute does not.
# Without the bytecode each of the hundreds of processes would compile the lab anew.
test: export PYTHONDONTWRITEBYTECODE =
define every_test
again() { test $$? = 1 && echo "==> pytest: what failed, once more and alone" && \
	$(python) -m pytest --last-failed --last-failed-no-failures none --maxfail 10 -m "$$1"; }; \
echo "==> pytest: four at a time"; status=0; \
$(python) -m pytest -n 4 --dist loadscope --no-loadscope-reorder -m 'not timed' || again 'not timed' || status=1; \
echo "==> pytest: one at a time, what compares times"; \
$(python) -m pytest -m timed || again timed || status=1; \
exit $$status
endef

fuzz: .venv/.installed-test ## Show 10,000 damaged run folders on the pages: none may raise or run anything (an hour)
	@LAB_FUZZ=10000 $(python) -m pytest tests/test_foreign_runs.py -s --timeout 0 -W ignore

chaos: .venv/.installed-test ## Kill runs 100 times, and what they stand on; count what is lost (some 15 minutes; goes on where it was stopped)
	@$(python) tests/chaos.py

tidy: .venv/.installed-test ## Format the code and strip the notebooks
	@$(python) -m ruff check --quiet --fix .
	@$(python) -m ruff format .
	@$(python) -m nbstripout $(notebooks) </dev/null

bench: .venv/.installed-bench ## Print all benchmarks as one table: measured, beside what, ratio with interval (6 minutes)
	@$(python) -m benchmarks

bench-primes: .venv/.installed-bench ## Compare the prime kernel with other generators
	@$(python) benchmarks/primes.py

bench-images: .venv/.installed-bench ## Compare the image kernel with SciPy and scikit-image
	@$(python) benchmarks/image_filters.py

bench-factoring: .venv/.installed-bench ## Compare curves with GMP-ECM's own program, and factoring with PARI and FLINT
	@$(python) benchmarks/factoring.py

bench-dispatch: .venv/.installed-report ## Compare the dispatch with Ray's own ways to run tasks (6 minutes)
	@$(python) benchmarks/dispatch.py

lock: .venv/.installed-uv ## Renew requirements.lock from pyproject.toml (UPGRADE=1: newest versions)
	@$(python) -m uv pip compile --quiet --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--extra report --extra setup --extra test --extra bench --extra factoring $(if $(UPGRADE),--upgrade) \
		--output-file requirements.lock pyproject.toml
	@echo "==> requirements.lock is up to date"

docker-build: ## Build the image of the Ray cluster, or bring it up to date with the code
	@$(docker_ready)
	@$(compose) build ray-head
	@echo "==> Built: $$(docker image ls --format '{{.Repository}}:{{.Tag}}, {{.Size}}' $(image))"

sbom: docker-build ## List all packages of the image as CycloneDX JSON, in _build/sbom.cdx.json
	@mkdir -p _build
	@docker run --rm --interactive --network none --entrypoint python '$(image)' - '$(image)' \
		<docker/sbom.py >_build/sbom.cdx.json
	@echo "==> _build/sbom.cdx.json: $$(grep -c '"purl"' _build/sbom.cdx.json) packages of $(image)"

docker-up: ## Start the Ray cluster, or change its size, and wait until it is ready (NODES=5)
	@$(docker_ready)
	@$(own_cluster)
	@mkdir -p out
	@docker image inspect $(image) >/dev/null 2>&1 || $(compose) build ray-head
	@echo "==> Starting $(NODES) nodes"
	@$(compose) up -d --scale ray-worker=$(NODES) 2>out/docker.log || { $(explain_failed_start); }
	@$(compose) exec -T ray-head wait_for_nodes $(NODES) 120 || { \
		echo "The cluster is not ready: 'docker compose ps' and 'docker compose logs' say why." >&2; exit 1; }
	@echo "==> The dashboard and the jobs API: http://$$($(compose) port ray-head 8265)"

docker-report: ## Measure on containers of this machine, over nodes and against the host; build the book (PROFILE=full)
	@$(docker_ready)
	@$(MAKE) --no-print-directory docker-build
	@$(MAKE) --no-print-directory report EXPERIMENT=multi_node
	@$(MAKE) --no-print-directory report EXPERIMENT=docker

docker-token: ## Print the token that the cluster asks for
	@$(docker_ready)
	@$(own_cluster)
	@$(compose) exec -T ray-head cat /run/ray-token/token 2>/dev/null || { \
		echo "No cluster of this folder runs: make docker-up" >&2; exit 1; }

docker-down: ## Remove the cluster: containers, network, token (the image stays)
	@$(docker_ready)
	@$(own_cluster)
	@$(compose) down --volumes --remove-orphans
	@echo "==> Removed: containers, network and token. The image stays: docker image rm $(image)"

slurm-up: docker-build ## Start a Slurm cluster of containers on this machine: a controller and four nodes with quotas
	@LAB_IMAGE='$(image)' $(slurm) build -q controller
	@$(slurm) up --detach --no-build --quiet-pull
	@until $(slurm) exec -T controller sinfo --noheader --format='%D %t' 2>/dev/null | grep -q '4 idle'; do sleep 1; done
	@$(slurm_user) cp -r /opt/slurm/examples /shared/
	@echo "==> Four nodes are idle: make slurm-report"

slurm-report: .venv/.installed-report ## Measure on the Slurm cluster, all sizes in one allocation; build the book (WORK=... ITEMS=...)
	@run=slurm-$$(date -u +%Y%m%dT%H%M%SZ); \
	$(slurm_user) sbatch --wait /opt/slurm/run.sbatch '$(or $(WORK),examples/first.py:work)' \
		--items '$(or $(ITEMS),examples/first.py:items)' --nodes 1,2,4 --workers 1 --repeats 5 \
		--data /shared/data --run-id "$$run"; status=$$?; \
	$(slurm_user) sh -c 'tail -n 12 "$$(ls -t slurm-*.out | head -n 1)"'; [ $$status = 0 ] && mkdir -p data/own && \
	$(slurm) cp "controller:/shared/data/own/$$run" data/own/
	@$(MAKE) --no-print-directory book

slurm-down: ## Remove the Slurm cluster: containers, network, volumes
	@$(slurm) down --volumes --timeout 2

upgrade-helm: ## Install the Ray cluster on Kubernetes, or bring it up to date (IMAGE=registry/name:tag NODES=5)
	@$(kubernetes_ready)
	@helm upgrade --install ray-scaling-lab ray-cluster --repo '$(charts)' --version $(kuberay) \
		--namespace '$(NAMESPACE)' --values deploy/kuberay/values.yaml $(chart_changes)
	@echo "==> To reach it, until Ctrl-C, at http://127.0.0.1:8265:"
	@echo "    kubectl --namespace $(NAMESPACE) port-forward service/ray-scaling-lab-head-svc 8265"

clean: ## Remove what was built: the book, executed notebooks, caches, the image (never data/)
	@rm -rf _build out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find lab tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@if docker image inspect $(image) >/dev/null 2>&1; then \
		if said=$$(docker image rm $(image) 2>&1); then echo "==> Removed the image $(image)"; \
		else printf '%s\n' "$$said" "The image stays: end what uses it (make docker-down)." >&2; fi; fi

distclean: clean ## Remove .venv as well
	@rm -rf .venv *.egg-info examples/fermat-*

notebooks = $(wildcard notebooks/*.ipynb)

# --- the notebook -----------------------------------------------------------------------------------------
# What the notebook prints, its progress bar included, comes through papermill's standard output: `-` and not
# /dev/stderr, which papermill would open for writing and so cut off a log file. What papermill and the kernel
# say themselves goes to the log; of a failure only the error's message is shown. The trap lets this recipe
# outlive a Ctrl-C; the kernel gets its own from papermill and has 5 seconds to close its files.
profile_file = notebooks/profiles/$(if $(filter-out single_node,$(EXPERIMENT)),$(EXPERIMENT)_)$(PROFILE).yaml

define run_notebook
trap 'stopped=yes' INT; touch out/.begun; \
$(python) -m papermill notebooks/$(EXPERIMENT).ipynb out/$(EXPERIMENT).ipynb \
	-f $(profile_file) \
	$(if $(WORKERS),-y 'workers: $(WORKERS)') $(if $(RUN_ID),-r run_id '$(RUN_ID)') \
	--no-progress-bar --log-level WARNING --stdout-file - --stderr-file - 2>out/$(EXPERIMENT).log \
	&& exit 0; \
if [ -z "$$stopped" ]; then \
	printf '\nThe experiment failed. The whole log is out/$(EXPERIMENT).log.\n\n' >&2; $(call error_of,out/$(EXPERIMENT).log); fi; \
begun=$$(find data/$(EXPERIMENT) \( -name tasks.csv -o -name timings.csv \) -newer out/.begun 2>/dev/null | head -n 1); \
if [ -n "$$begun" ]; then printf '\nWhat was measured is kept. To go on: make report$(of_experiment) PROFILE=$(PROFILE)$(if $(WORKERS), WORKERS="$(WORKERS)") RUN_ID=%s\n' \
	"$$(basename "$$(dirname "$$begun")")" >&2; fi; \
exit 1
endef
again = make report$(of_experiment)
of_experiment = $(if $(filter-out single_node,$(EXPERIMENT)), EXPERIMENT=$(EXPERIMENT))

# of a log: the warnings of Sphinx, or the message of the lab's own error without the traceback, or the end
define error_of
sed 's/\x1b\[[0-9;]*m//g' $(1) | awk '/WARNING: / {print; shown = 1} \
	/^(lab\.errors\.)?(Lab|Parameter|Work|Data|Version|Cluster|Engine|Claim)Error: / && !shown {inside = 1; shown = 1} \
	/^$$/ {inside = 0} inside {print} END {exit !shown}' >&2 || tail -n 20 $(1) >&2
endef

known-profile:
	@test -f 'notebooks/$(EXPERIMENT).ipynb' || { \
		echo "There is no experiment '$(EXPERIMENT)'. Choose one of: $(basename $(notdir $(notebooks)))." >&2; exit 1; }
	@test -f '$(profile_file)' || { \
		echo "There is no profile '$(PROFILE)' of $(EXPERIMENT). Choose one of: $(profiles)." >&2; \
		echo "For example: $(again) PROFILE=quick" >&2; exit 1; }

all_profiles = $(basename $(notdir $(wildcard notebooks/profiles/*.yaml)))
profiles = $(strip $(if $(filter single_node,$(EXPERIMENT)),$(foreach one,$(all_profiles),$(if $(findstring _,$(one)),,$(one))),$(patsubst $(EXPERIMENT)_%,%,$(filter $(EXPERIMENT)_%,$(all_profiles)))))

# --- docker -------------------------------------------------------------------------------------------------
# Everything here is asked of Docker alone: no .venv is needed. `docker-compose` is compose before version 2.
compose = $(if $(shell docker compose version 2>/dev/null),docker compose,docker-compose)
slurm = $(compose) -f deploy/slurm/compose.yml
slurm_user = $(slurm) exec -T --user lab --workdir /shared controller
image = ray-scaling-lab:$(or $(LAB_IMAGE_TAG),latest)

# compose reads .env, where the shell's environment has no such variable: everything else here does the same
settings = $(shell sed -n 's/^ *\(LAB_[A-Z_]*\)=.*/\1/p' .env 2>/dev/null)
setting = $(shell sed -n 's/^ *$(1)=//p' .env | sed 's/ \#.*//; s/ *$$//; s/^["'"'"']//; s/["'"'"']$$//' | tail -n 1)
$(foreach one,$(settings),$(if $(filter undefined,$(origin $(one))),$(eval export $(one) := $(call setting,$(one)))))

# a project is called after the last part of its folder's path, and another folder may have the same one
define own_cluster
one=$$($(compose) ps --all --quiet 2>/dev/null | head -n 1); \
where=$$([ -z "$$one" ] || docker inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' "$$one"); \
case $$where in "$$PWD"|"$$(pwd -P)") ;; /*|[A-Za-z]:*) \
	echo "A cluster of the same name is there, that of $$where: it is not touched. Rename this folder, or give" >&2; \
	echo "this cluster another name: export COMPOSE_PROJECT_NAME=another" >&2; exit 1;; esac
endef

define docker_ready
command -v docker >/dev/null || { \
	echo "There is no 'docker' here: install Docker Engine or Docker Desktop." >&2; exit 1; }; \
said=$$(docker info 2>&1 >/dev/null) || { printf '%s\n' "$$said" >&2; \
	echo "No Docker engine answers. Start it (Docker Desktop, or: sudo systemctl start docker); where permission" >&2; \
	echo "is denied, your user is not in the group 'docker'." >&2; exit 1; }; \
$(compose) version >/dev/null 2>&1 || { echo "Docker is here without compose: install its plugin." >&2; exit 1; }
endef

define explain_failed_start
cat out/docker.log >&2; \
if grep -Eq 'port is already allocated|address already in use' out/docker.log; then \
	$(compose) down >/dev/null 2>&1; \
	echo "The port of the dashboard, 8265 if you chose no other, is taken: end what listens there" >&2; \
	echo "(another cluster: make docker-down in its folder), or choose: LAB_DASHBOARD_PORT=8266 make docker-up" >&2; \
fi; exit 1
endef

# --- Kubernetes ---------------------------------------------------------------------------------------------
# One version for chart and operator: the schemas in the tests' hands are of 1.7.
kuberay = 1.7.0
charts = https://ray-project.github.io/kuberay-helm
# what the command line says wins over values.yaml
chart_changes = \
	$(if $(IMAGE),--set-string 'image.repository=$(patsubst %:$(tag),%,$(IMAGE))' --set-string 'image.tag=$(tag)') \
	$(if $(filter-out file,$(origin NODES)),--set 'worker.replicas=$(NODES)')
# what stands behind the last colon: a registry may have a port
tag = $(lastword $(subst :, ,$(IMAGE)))

define kubernetes_ready
for tool in helm kubectl; do command -v $$tool >/dev/null || { \
	echo "There is no '$$tool' here: install it first." >&2; exit 1; }; done; \
case '$(IMAGE)' in ''|*:*[!/]) case '$(tag)' in */*) wrong=yes;; esac;; *) wrong=yes;; esac; \
if [ -n "$$wrong" ]; then echo "IMAGE is '$(IMAGE)': give name and tag, as in registry.example/ray-scaling-lab:1" >&2; exit 1; fi; \
said=$$(kubectl get --raw /version 2>&1 >/dev/null) || { printf '%s\n' "$$said" >&2; \
	echo "No Kubernetes cluster answers: 'kubectl config get-contexts' lists those that kubectl knows." >&2; exit 1; }; \
kubectl api-resources --api-group=ray.io --output=name 2>/dev/null | grep -q '^rayclusters' || { \
	echo "The Kubernetes cluster has no KubeRay operator. To install it:" >&2; \
	echo "    helm install kuberay-operator kuberay-operator --repo $(charts) --version $(kuberay) \\" >&2; \
	echo "      --namespace kuberay --create-namespace" >&2; exit 1; }; \
kubectl --namespace '$(NAMESPACE)' get secret ray-scaling-lab-token >/dev/null 2>&1 || { \
	echo "The namespace $(NAMESPACE) has no Secret with the cluster's token. To make both, once:" >&2; \
	echo "    kubectl create namespace $(NAMESPACE)" >&2; \
	echo "    printf %s \"\$$(openssl rand -hex 32)\" | kubectl --namespace $(NAMESPACE) create secret generic \\" >&2; \
	echo "      ray-scaling-lab-token --from-file=auth_token=/dev/stdin" >&2; exit 1; }
endef

# --- the set-up: .venv, made once and renewed when pyproject.toml or requirements.lock change ---------------
.venv/pyvenv.cfg:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no '$(PYTHON)' here. The lab needs Python 3.11 or newer: install it, or name yours:" >&2; \
		echo "    make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		found=$$("$(PYTHON)" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])'); \
		echo "The lab needs Python 3.11 or newer, and '$(PYTHON)' is Python $$found. Name a newer one:" >&2; \
		echo "    make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: its venv module is not complete." >&2; \
		echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "==> Making .venv with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv .venv

.venv/.installed-uv: .venv/pyvenv.cfg
	@echo "==> Installing uv, which installs the rest fast"
	@$(python) -m pip install --quiet --disable-pip-version-check -c requirements.lock uv
	@touch $@

.venv/.installed-report: extras = report
.venv/.installed-report: .venv/.installed-uv pyproject.toml requirements.lock | .venv/.compiled
	@$(install)

.venv/.installed-test: extras = report,test
.venv/.installed-test: .venv/.installed-uv pyproject.toml requirements.lock | .venv/.compiled
	@$(install)
	@touch .venv/.installed-report

.venv/.installed-bench: extras = report,bench
.venv/.installed-bench: .venv/.installed-uv pyproject.toml requirements.lock | .venv/.compiled
	@$(install)
	@touch .venv/.installed-report

# pip stands in where uv cannot reach an index that only pip is configured for
define install
echo "==> Installing the lab and what it needs, as requirements.lock pins it (once; about a minute)"; \
$(python) -m uv pip install --quiet --compile-bytecode --python .venv -c requirements.lock -e '.[$(extras)]' || { \
	echo "==> uv could not; trying once more with pip, which takes longer"; \
	$(python) -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[$(extras)]'; }; \
status=$$?; test $$status -eq 0 && touch $@; exit $$status
endef

# optional: without a C compiler the example with primes is slower
.venv/.compiled: $(wildcard examples/fermat.*) .venv/pyvenv.cfg
	@$(python) examples/fermat.py || true
	@touch $@
