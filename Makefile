# `make` lists what there is to make. It needs Go, and nothing else that it does
# not fetch: tools come through tools/go.mod, servers through tools/provision.sh.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The tools have a module of their own, so that their dependencies are not the product's. Go builds
# each tool at its first use (minutes for golangci-lint) and keeps it in its build cache. Without cgo
# the build is the same with and without a C compiler. Go refuses -modfile in a workspace.
TOOL := GOWORK=off CGO_ENABLED=0 go tool -modfile=tools/go.mod

# The modules of go.work: the product, and what needs libraries that the product does not. The
# package pattern "work" matches the packages of all of them.
MODULES := . core/simulation tools/bench tools/chaos tools/e2e

# The path of the linter, which has to see the workspace when it runs.
LINTER = CGO_ENABLED=0 $$($(TOOL) -n golangci-lint)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Go switches cgo off where there is no C compiler, and the race detector needs
# it. tools/provision.sh has said so by then. (=, not :=, as it may install one.)
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# The plugin, or the program of its own that Debian has. Version 1 knows no --wait: with it,
# `make compose/up` ends when the replicas have started, some seconds before they are ready.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

# More options for `go test`, such as: make test TESTFLAGS='-run TestClaim -v'
TESTFLAGS ?=

# How long `make fuzz` runs each target.
FUZZTIME ?= 10m

# The tests that `make test/race50` repeats, by their names.
CONCURRENT ?= Concurrent|Once|Crowd|Contract

# How many seeds `make sim` runs, from 1 on.
SEEDS ?= 2000

# How long `make chaos` and `make chaos/group` break things, and the seed of what they break; 0 for a new one.
FOR ?= 30m
SEED ?= 0

# What `make cover` asks of core and ports, in percent.
COVERAGE ?= 95

## Running

.PHONY: run
run: build ## run the service on http://localhost:3000, on SQLite and a simulated gateway
	bin/paymentd serve

.PHONY: build
build: ## build bin/paymentd, a static binary
	GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/paymentd ./app/paymentd

# Where the passwords and the key of docker-compose.yml are; made when they are missing.
SECRETS ?= secrets

.PHONY: compose/up
compose/up: ## run two replicas on MySQL, and the gateway as a process of its own, in containers
	tools/secrets.sh '$(SECRETS)'
	VERSION='$(VERSION)' $(COMPOSE) --env-file '$(SECRETS)/compose.env' up --build --detach $(filter --wait,$(shell $(COMPOSE) up --help))

.PHONY: compose/down
compose/down: ## stop what compose/up started; payments and secrets stay
	$(COMPOSE) --env-file '$(SECRETS)/compose.env' down --remove-orphans

# How to say that the payments may go, too.
DELETE ?=

.PHONY: compose/delete
compose/delete: ## the same, and delete all its payments, with DELETE=payments
	@if [ '$(DELETE)' != payments ]; then \
		echo 'compose/delete: deletes every payment in the volumes of docker-compose.yml: say DELETE=payments if that is wanted' >&2; \
		exit 2; \
	fi
	$(COMPOSE) --env-file '$(SECRETS)/compose.env' down --volumes --remove-orphans

## Testing

.PHONY: test
test: needs test/proofs test/client test/upgrade bin/withmysql ## test everything, on a real database server
	bin/withmysql -- go test $(RACE) -timeout=15m $(TESTFLAGS) work

# These are one goroutine at a time: under the race detector they find nothing more, and take seven times as long.
# `make test` runs a sample of each with it.
.PHONY: test/proofs
test/proofs: ## let faults befall every call and every pair of calls, and find every planted mistake
	go test -timeout=15m $(TESTFLAGS) ./core ./core/simulation

.PHONY: test/short
test/short: needs bin/withmysql ## test everything, in less depth and without the race detector
	bin/withmysql -- go test -short $(TESTFLAGS) work

.PHONY: test/client
test/client: build ## make a TypeScript client of openapi.yaml, and pay with it
	tools/npm.sh tools/npm/client/run.sh bin/paymentd

# A checkout without its history, such as a container's, has no previous version, and says so aloud.
.PHONY: test/upgrade
test/upgrade: needs bin/withmysql ## run the last version and this one side by side, under load, up and back again
	@if ! [ -e .git ]; then \
		echo 'test/upgrade: NOT RUN, as this is no git checkout, and the last version is not to be had' >&2; \
	else \
		previous=$$(tools/previous.sh) && PREVIOUS_PAYMENTD="$$previous" \
			bin/withmysql -- go test -tags upgrade ./tools/chaos -count=1 -run Upgrade $(TESTFLAGS); \
	fi

.PHONY: test/race50
test/race50: needs bin/withmysql ## run the concurrent tests fifty times
	bin/withmysql -- go test -race -count=50 -timeout=2h -run '$(CONCURRENT)' $(TESTFLAGS) work

.PHONY: test/mysql
test/mysql: ## test everything, on a genuine MySQL 9 that is fetched (Debian only)
	PATH="$$(tools/genuine-mysql.sh):$$PATH" && $(MAKE) test

.PHONY: chaos
chaos: needs ## run the service for FOR, 30m by default, and kill, pause and cut off all its parts at random
	go test ./tools/chaos -v -run Chaos -for $(FOR) -seed $(SEED) -timeout=0 $(TESTFLAGS)

# Each of the two tests lasts FOR, and some minutes to start the group and to compare the books.
.PHONY: chaos/group
chaos/group: FOR = 5m
chaos/group: ## lose nodes of a three-node MySQL group at random, under load (Debian only)
	PATH="$$(tools/genuine-mysql.sh):$$PATH" && \
		go test -tags group ./tools/chaos -v -run 'Group|MultiPrimary' -for $(FOR) -seed $(SEED) -timeout=0 $(TESTFLAGS)

.PHONY: sim
sim: ## live through SEEDS simulated disasters, 2000 by default
	go test ./core/simulation -v -run TestSimulation -timeout 0 -seeds $(SEEDS)

.PHONY: cover
cover: ## measure the coverage of core and ports, and fail below 95 %
	tools/cover.sh $(COVERAGE)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME, 10m by default
	tools/fuzz.sh $(FUZZTIME)

.PHONY: needs
needs:
	@tools/provision.sh

# Moved into place when it is whole: two runs at once may both build it.
.PHONY: bin/withmysql
bin/withmysql:
	@go build -o $@.$$$$ ./adapters/mysqlstore/mysqltest/withmysql && mv -f $@.$$$$ $@

## Measuring

# More options for the benchmark, such as: make bench BENCHFLAGS='--json --clients=64'
BENCHFLAGS ?=

# How many payments `make bench/rows` puts into the table.
ROWS ?= 10000000

.PHONY: bench
bench: needs ## measure the service on a TLS gateway beside a bare loop, a batched one and a textbook one; 9 minutes
	@go run ./tools/bench $(BENCHFLAGS)

.PHONY: bench/quick
bench/quick: needs ## the same with 64 and 256 clients; 2 minutes
	@go run ./tools/bench --clients=64,256 --for=700ms --warm-up=300ms $(BENCHFLAGS)

.PHONY: bench/special
bench/special: needs ## measure a hot order, memory, SQLite, the start, and everything on and off
	@go run ./tools/bench --no-table --special=hot,memory,sqlite,start,everything $(BENCHFLAGS)

.PHONY: bench/rows
bench/rows: needs ## measure with ROWS payments in the table, 10000000 by default, beside an empty one
	@go run ./tools/bench --no-table --rows=$(ROWS) $(BENCHFLAGS)

.PHONY: bench/go
bench/go: needs bin/withmysql ## run the Go benchmarks six times, for benchstat
	@bin/withmysql -- go test -run '^$$' -bench . -benchmem -count=6 ./core/keycache ./adapters/httpapi ./adapters/mysqlstore

## Checking

.PHONY: verify
verify: verify/generated verify/configuration verify/openapi verify/modules verify/format lint verify/canary verify/alerts verify/workflows ## check all that can be checked without running it

.PHONY: lint
lint: ## look for mistakes
	go vet -tags group,upgrade work
	$(LINTER) run $(MODULES:%=%/...)

.PHONY: vuln
vuln: ## look for known vulnerabilities (asks vuln.go.dev)
	for module in $(MODULES); do GOWORK=off $$($(TOOL) -n govulncheck) -C $$module ./... || exit 1; done

.PHONY: verify/generated
verify/generated: # the committed queries and types are those that sqlc and oapi-codegen generate
	$(TOOL) sqlc diff
	tools/wire.sh diff

.PHONY: verify/configuration
verify/configuration: # docs/configuration.md is generated from the settings
	@go run ./app/config/writedocs | diff -u docs/configuration.md - || { \
		echo 'docs/configuration.md differs from the settings in app/config: run make generate' >&2; exit 1; }

.PHONY: verify/openapi
verify/openapi: # openapi.yaml passes a strict linter, and the page at /docs is what npm has
	tools/npm.sh tools/npm/check.sh

.PHONY: verify/modules
verify/modules: # no go.mod and go.sum has anything to add or remove
	for module in $(MODULES) tools; do GOWORK=off go -C $$module mod tidy -diff || exit 1; done

.PHONY: verify/format
verify/format: # `make fmt` has nothing to do
	$(TOOL) golangci-lint fmt --diff

.PHONY: verify/canary
verify/canary: # the rules on imports can fail
	tools/canary/canary.sh

.PHONY: verify/alerts
verify/alerts: # the alert rules do what their tests say, and promtool reads the dashboard's queries
	tools/alerts.sh

.PHONY: verify/workflows
verify/workflows: # what GitHub runs is well-formed
	$(TOOL) actionlint -shellcheck= -pyflakes=

## Writing

.PHONY: generate
generate: ## generate the code for sql/, the types of openapi.yaml, and docs/configuration.md
	$(TOOL) sqlc generate
	tools/wire.sh write
	go run ./app/config/writedocs > docs/configuration.md.new && mv docs/configuration.md.new docs/configuration.md

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: clean
clean: ## remove what building leaves behind; databases, ledgers and secrets stay
	rm -rf bin

.PHONY: help
help:
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z0-9\/]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
