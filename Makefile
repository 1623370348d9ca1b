# `make` lists the targets. They need Go. Tools are built from tools/go.mod, and tools/provision.sh installs
# the other programs.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The tools have a module of their own, so that their dependencies are not the product's. Go builds
# each tool at its first use (minutes for golangci-lint) and keeps it in its build cache. Without cgo
# the build is the same with and without a C compiler. Go refuses -modfile in a workspace.
TOOL := GOWORK=off CGO_ENABLED=0 go tool -modfile=tools/go.mod

# The modules of go.work: the product, and what needs libraries that the product does not. The
# package pattern "work" matches the packages of all of them.
MODULES := . adapters/httpapi/contract core/simulation tools/bench tools/chaos tools/e2e

# The path of the linter, which has to see the workspace when it runs.
LINTER = CGO_ENABLED=0 $$($(TOOL) -n golangci-lint)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The race detector needs cgo, which Go disables if there is no C compiler. tools/provision.sh reports that.
# (=, not :=, because it may install one.)
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# The plugin, or Debian's program. Version 1 has no option --wait: with it, `make compose/up` returns when the
# replicas have started, some seconds before they are ready.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

# More options for `go test`, such as: make test TESTFLAGS='-run TestClaim -v'
TESTFLAGS ?=

# How long `make fuzz` runs each target.
FUZZTIME ?= 10m

# The pattern of the names of the tests that `make test/race50` repeats.
CONCURRENT ?= Concurrent|Once|Crowd|Contract

# The number of seeds that `make sim` runs, starting with 1.
SEEDS ?= 2000

# How long `make chaos`, `make chaos/group` and `make chaos/galera` inject faults, and the seed of the faults; 0 for a new one.
FOR ?= 30m
SEED ?= 0

# The coverage of core and ports that `make cover` requires, in percent.
COVERAGE ?= 95

## Running

.PHONY: run
run: build ## run the service on http://localhost:3000, on SQLite and a simulated gateway
	bin/paymentd serve

# The files of both stay, so that payments and their charges survive a restart.
.PHONY: run/stripe
run/stripe: build bin/withstripe ## run the service on http://localhost:3000, on SQLite and a fake of Stripe
	bin/withstripe -ledger paymentd-stripe.ledger -- bin/paymentd serve --database=sqlite:paymentd-stripe.db

.PHONY: bin/withstripe
bin/withstripe:
	@go build -o $@ ./adapters/stripegateway/stripefake/withstripe

.PHONY: build
build: ## build bin/paymentd, a static binary
	GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/paymentd ./app/paymentd

# The folder of the secrets of docker-compose.yml, which are created if they are missing.
SECRETS ?= secrets

.PHONY: man
man: build ## write a manual page for each command into bin/man
	mkdir -p bin/man
	bin/paymentd man --out bin/man

.PHONY: compose/up
compose/up: ## run two replicas, MySQL and the sandbox gateway in containers
	tools/secrets.sh '$(SECRETS)'
	VERSION='$(VERSION)' $(COMPOSE) --env-file '$(SECRETS)/compose.env' up --build --detach $(filter --wait,$(shell $(COMPOSE) up --help))

.PHONY: compose/down
compose/down: ## stop what compose/up started; payments and secrets stay
	$(COMPOSE) --env-file '$(SECRETS)/compose.env' down --remove-orphans

# DELETE=payments confirms that the payments are deleted as well.
DELETE ?=

.PHONY: compose/delete
compose/delete: ## the same, and delete all payments, with DELETE=payments
	@if [ '$(DELETE)' != payments ]; then \
		echo 'compose/delete: deletes every payment in the volumes of docker-compose.yml; to confirm, set DELETE=payments' >&2; \
		exit 2; \
	fi
	$(COMPOSE) --env-file '$(SECRETS)/compose.env' down --volumes --remove-orphans

## Testing

# The simulation uses one processor only, so that other tests run beside the proofs.
.PHONY: test
test: ## test everything, on a real database server
	@$(MAKE) --keep-going --output-sync=target -j 2 test/proofs test/client test/upgrade test/stripe-mock; result=$$?; \
		$(MAKE) --keep-going test/go && exit $$result

.PHONY: test/go
test/go: test/packages test/stores ## run all Go tests, with the race detector if there is a C compiler

# The contract of the repositories is long, and mostly one statement after the other: the race detector, which makes it five times
# slower, checks the clauses about concurrency alone.
STORES := ./adapters/mysqlstore ./adapters/sqlitestore
CONCURRENT_CLAUSES := (concurrent|at_once|once|wins|worker)

# Three packages at a time, because many tests wait for disks, timers and processes.
.PHONY: test/packages
test/packages: needs bin/withmysql
	bin/withmysql -- go test $(RACE) -p 3 -timeout=15m $(TESTFLAGS) $$(go list work | grep -vE '/adapters/(mysql|sqlite)store$$')

.PHONY: test/stores
test/stores: needs bin/withmysql
	bin/withmysql -- go test -timeout=15m $(TESTFLAGS) $(STORES)
	go test $(RACE) -timeout=15m $(TESTFLAGS) -run 'TestContract//$(CONCURRENT_CLAUSES)' ./adapters/sqlitestore
	bin/withmysql -- go test $(RACE) -timeout=15m $(TESTFLAGS) -run 'TestContract///$(CONCURRENT_CLAUSES)' ./adapters/mysqlstore

# These tests run one goroutine at a time: the race detector would find nothing, and takes seven times as long.
# `make test` runs a sample of each with it.
.PHONY: test/proofs
test/proofs: test/proofs/calls test/proofs/bugs test/proofs/seeds test/proofs/vendors ## inject faults into every call and one in ten pairs of calls, and find every planted bug

.PHONY: test/proofs/calls test/proofs/bugs test/proofs/seeds test/proofs/vendors
test/proofs/calls:
	go test -timeout=15m $(TESTFLAGS) ./core
test/proofs/bugs:
	go test -timeout=15m $(TESTFLAGS) -run '^TestMutations$$' ./core/simulation
test/proofs/seeds:
	go test -timeout=15m $(TESTFLAGS) -skip '^TestMutations$$' ./core/simulation
test/proofs/vendors:
	go test -timeout=15m $(TESTFLAGS) ./core/simulation/vendors

.PHONY: test/vendors
test/vendors: ## the proofs over the fakes of Stripe and Square and the sandbox, in full; not part of test, because it takes long
	go test -timeout=0 ./core/simulation/vendors -v -every -seeds $(SEEDS)

.PHONY: test/pairs
test/pairs: ## inject faults into every call and every pair of calls; not part of test, because it takes long
	go test -timeout=0 ./core -run TestEveryCrashPoint -every-pair

.PHONY: test/short
test/short: needs bin/withmysql ## test everything, in less depth and without the race detector
	bin/withmysql -- go test -short $(TESTFLAGS) work

.PHONY: test/client
test/client: build ## generate a TypeScript client from openapi.yaml, and pay with it
	tools/npm.sh tools/npm/client/run.sh bin/paymentd

.PHONY: test/stripe-mock
test/stripe-mock: ## check the requests to Stripe against its OpenAPI file, with stripe-mock
	tools/stripe-mock.sh go test -tags stripemock ./adapters/stripegateway -count=1 -run StripeMock $(TESTFLAGS)

.PHONY: test/stripe-live
test/stripe-live: ## make test charges at Stripe, with the test key STRIPE_SECRET_KEY
	@if [ -z "$$STRIPE_SECRET_KEY" ]; then \
		echo 'test/stripe-live: set STRIPE_SECRET_KEY to the secret key of a test account (sk_test_…)' >&2; exit 2; fi
	go test -tags live ./adapters/stripegateway -count=1 -v -run StripeLive $(TESTFLAGS)

# A checkout without history, such as one in a container, has no previous version; the target reports that.
.PHONY: test/upgrade
test/upgrade: needs bin/withmysql ## upgrade from the previous version to this one and back, under load
	@if ! [ -e .git ]; then \
		echo 'test/upgrade: NOT RUN, because this is no git checkout, so the previous version cannot be built' >&2; \
	else \
		previous=$$(tools/previous.sh) && PREVIOUS_PAYMENTD="$$previous" \
			bin/withmysql -- go test -tags upgrade ./tools/chaos -count=1 -run Upgrade $(TESTFLAGS); \
	fi

.PHONY: test/race50
test/race50: needs bin/withmysql ## run the concurrent tests fifty times
	bin/withmysql -- go test -race -count=50 -timeout=2h -run '$(CONCURRENT)' $(TESTFLAGS) work

# Square's API specification is not in this repository: SPEC is the path of api.json of the public repository
# square/connect-api-specification.
SPEC ?=

.PHONY: test/square-prism
test/square-prism: ## check our requests to Square, and the fake's answers, against SPEC, Square's api.json
	@if ! [ -f '$(SPEC)' ]; then \
		echo 'test/square-prism: set SPEC to the file api.json of github.com/square/connect-api-specification' >&2; \
		exit 2; \
	fi
	SQUARE_SPEC='$(abspath $(SPEC))' PACKAGES=tools/prism tools/npm.sh \
		go test -tags prism ./adapters/squaregateway -count=1 -v -run Prism $(TESTFLAGS)

.PHONY: test/square-live
test/square-live: ## charge in Square's sandbox: SQUARE_ACCESS_TOKEN and SQUARE_LOCATION_ID of a sandbox account
	@if [ -z "$$SQUARE_ACCESS_TOKEN" ] || [ -z "$$SQUARE_LOCATION_ID" ]; then \
		echo 'test/square-live: set SQUARE_ACCESS_TOKEN and SQUARE_LOCATION_ID to those of a sandbox account' >&2; \
		exit 2; \
	fi
	go test -tags live ./adapters/squaregateway -count=1 -v -run Live $(TESTFLAGS)

.PHONY: test/mysql
test/mysql: ## test everything, on a MySQL 9 that is fetched (Debian only)
	PATH="$$(tools/genuine-mysql.sh):$$PATH" && $(MAKE) test

# Each engine is built at its first use, which takes minutes. The tests of the store run on one engine, and
# the last test kills an engine of its own under load.
.PHONY: test/tidb
test/tidb: bin/withmysql ## test the store on TiDB, and kill replicas and the engine under load
	export TEST_TIDB_SERVER="$$(tools/engine.sh tidb)" && \
		bin/withmysql -engine tidb -- go test -count=1 -timeout=60m $(TESTFLAGS) ./adapters/mysqlstore && \
		TEST_MYSQL_ENGINE=tidb go test -tags engines ./tools/chaos -count=1 -v -run 'Engine|Shard' -timeout=60m $(TESTFLAGS)

# The numbers of shards of the keyspaces that `make test/vitess` tests with.
SHARDS ?= 1 2 4

.PHONY: test/vitess
test/vitess: bin/withmysql ## the same on Vitess with 1, 2 and 4 shards, on a MySQL 9 that is fetched (Debian only)
	export TEST_VTCOMBO="$$(tools/engine.sh vitess)" PATH="$$(tools/genuine-mysql.sh):$$PATH" && \
	for shards in $(SHARDS); do \
		bin/withmysql -engine vitess -shards $$shards -- go test -count=1 -timeout=60m $(TESTFLAGS) ./adapters/mysqlstore && \
		TEST_MYSQL_ENGINE=vitess TEST_VITESS_SHARDS=$$shards \
			go test -tags engines ./tools/chaos -count=1 -v -run 'Engine|Shard' -timeout=60m $(TESTFLAGS) || exit 1; \
	done

.PHONY: chaos
chaos: needs ## run the service for FOR, 30m by default, and inject faults into all its parts at random
	go test ./tools/chaos -v -run Chaos -for $(FOR) -seed $(SEED) -timeout=0 $(TESTFLAGS)

# Each of the two tests lasts FOR, and some minutes more for the start of the group and the audit.
.PHONY: chaos/group
chaos/group: FOR = 5m
chaos/group: ## kill nodes of a three-node MySQL group at random, under load (Debian only)
	PATH="$$(tools/genuine-mysql.sh):$$PATH" && \
		go test -tags group ./tools/chaos -v -run 'Group|MultiPrimary' -for $(FOR) -seed $(SEED) -timeout=0 $(TESTFLAGS)

.PHONY: chaos/galera
chaos/galera: FOR = 5m
chaos/galera: ## kill nodes of a three-node Galera cluster at random, under load (Debian only)
	PATH="$$(tools/galera.sh):$$PATH" && \
		go test -tags group ./tools/chaos -v -run Galera -for $(FOR) -seed $(SEED) -timeout=0 $(TESTFLAGS)

.PHONY: sim
sim: ## run SEEDS simulations with faults, 2000 by default
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

# Moved into place when it is complete, because two runs may build it at the same time.
.PHONY: bin/withmysql
bin/withmysql:
	@go build -o $@.$$$$ ./adapters/mysqlstore/mysqltest/withmysql && mv -f $@.$$$$ $@

## Measuring

# More options for the benchmark, such as: make bench BENCHFLAGS='-clients=64 -full=false'. `make bench/help` lists them.
BENCHFLAGS ?=

# The number of payments that `make bench/rows` inserts into the table.
ROWS ?= 10000000

BENCH := go test ./tools/bench -count=1 -timeout=0 -v -run 'TestMeasure$$'

.PHONY: bench
bench: needs ## measure the service on a TLS gateway beside a bare loop and a textbook service, refunds and holds; 10 minutes
	@$(BENCH) -measure=table,operations $(BENCHFLAGS)

.PHONY: bench/quick
bench/quick: needs ## the same with 64 and 256 clients; 3 minutes
	@$(BENCH) -measure=table,operations -clients=64,256 -for=700ms $(BENCHFLAGS)

.PHONY: bench/special
bench/special: needs ## measure the memory of a thousand payments, and everything on and off
	@$(BENCH) -measure=memory,everything $(BENCHFLAGS)

.PHONY: bench/version
bench/version: needs ## measure this version beside the binary OTHER of another one, in alternating slices
	@$(BENCH) -measure=version -other=$(abspath $(OTHER)) -clients=64,256 -rounds=15 -full=false $(BENCHFLAGS)

.PHONY: bench/outage
bench/outage: FOR = 1m
bench/outage: ## pay 200 times a second while one of three gateways refuses for FOR, 1m by default, and check what clients get
	@go test ./tools/bench -count=1 -timeout=0 -v -run 'TestOutage$$' -outage $(FOR)

# How many events `make bench/forged` sends.
FORGED ?= 1000000

.PHONY: bench/forged
bench/forged: needs ## send FORGED forged events, 1000000 by default, and check that they cost no statement at the database
	@go test ./tools/bench -count=1 -timeout=0 -v -run 'TestForged$$' -forged $(FORGED)

.PHONY: bench/rows
bench/rows: needs ## measure with ROWS payments in the table, 10000000 by default, beside an empty one
	@$(BENCH) -measure=rows -rows=$(ROWS) $(BENCHFLAGS)

.PHONY: bench/console
bench/console: needs ## time each page of the console and each list of the API with ROWS payments in the table
	@$(BENCH) -measure=console -rows=$(ROWS) $(BENCHFLAGS)

# How many payments `make bench/scale` inserts before its last table.
SCALEROWS ?= 100000

.PHONY: bench/scale
bench/scale: ## measure MySQL, TiDB, and Vitess with 1, 2 and 4 shards beside each other (Debian only)
	@export TEST_VTCOMBO="$$(tools/engine.sh vitess)" TEST_TIDB_SERVER="$$(tools/engine.sh tidb)" PATH="$$(tools/genuine-mysql.sh):$$PATH" && \
		go test -tags engines ./tools/bench -count=1 -timeout=0 -v -run 'TestScale$$' -scale-rows $(SCALEROWS) $(BENCHFLAGS)

.PHONY: bench/help
bench/help: # the options of the benchmark
	@go test ./tools/bench -args -help 2>&1 | sed '/^  -test/,$$d'

# The number of payments that `make bench/audit` compares.
AUDIT_ROWS ?= 1000000

.PHONY: bench/audit
bench/audit: needs bin/withmysql ## audit AUDIT_ROWS payments, 1000000 by default, and print the time and the memory
	@AUDIT_ROWS=$(AUDIT_ROWS) bin/withmysql -- go test ./app -count=1 -timeout=30m -run TestAudit_ManyRows -v

.PHONY: bench/go
bench/go: needs bin/withmysql ## run the Go benchmarks six times, for benchstat
	@bin/withmysql -- go test -run '^$$' -bench . -benchmem -count=6 ./core/keycache ./adapters/httpapi ./adapters/mysqlstore

## Checking

.PHONY: verify
verify: verify/generated verify/configuration verify/openapi verify/modules verify/format lint verify/canary verify/prose verify/docs verify/alerts verify/workflows ## run all checks that do not run the service

.PHONY: lint
lint: ## run go vet and the linter
	go vet -tags group,upgrade,engines,live,prism,stripemock work
	$(LINTER) run $(MODULES:%=%/...)

.PHONY: vuln
vuln: ## report known vulnerabilities (queries vuln.go.dev)
	for module in $(MODULES); do GOWORK=off $$($(TOOL) -n govulncheck) -C $$module ./... || exit 1; done

.PHONY: verify/generated
verify/generated: # the committed queries and types are what sqlc and oapi-codegen generate
	$(TOOL) sqlc diff
	tools/wire.sh diff

.PHONY: verify/configuration
verify/configuration: # docs/configuration.md and the table in docs/gateways.md are generated from the code
	@go run ./app/config/writedocs | diff -u docs/configuration.md - || { \
		echo 'docs/configuration.md differs from the settings in app/config: run make generate' >&2; exit 1; }
	@go run ./app/config/writedocs docs/gateways.md | diff -u docs/gateways.md - || { \
		echo 'docs/gateways.md differs from the capabilities in app/gateways: run make generate' >&2; exit 1; }

.PHONY: verify/openapi
verify/openapi: # openapi.yaml passes a strict linter, and the page at /docs is the npm package
	tools/npm.sh tools/npm/check.sh

.PHONY: verify/modules
verify/modules: # go mod tidy changes nothing in any module, and CONTRIBUTING.md lists the dependencies
	for module in $(MODULES) tools; do GOWORK=off go -C $$module mod tidy -diff || exit 1; done
	tools/dependencies.sh

.PHONY: verify/format
verify/format: # make fmt changes nothing
	$(TOOL) golangci-lint fmt --diff

.PHONY: verify/canary
verify/canary: # the rules on imports can fail
	tools/canary/canary.sh

.PHONY: verify/prose
verify/prose: # comments, errors, log lines and docs keep to "How we write" in CONTRIBUTING.md
	@GOWORK=off go -C tools/prose mod tidy -diff
	@tools/prose/prose.sh

.PHONY: verify/docs
verify/docs: # links lead somewhere, and docs/monitoring.md has the log lines of the code
	@GOWORK=off go -C tools/prose test ./...
	@GOWORK=off go -C tools/prose run . docs '$(CURDIR)'

.PHONY: verify/alerts
verify/alerts: # the tests of the alert rules pass, and promtool parses the queries of the dashboard
	tools/alerts.sh

.PHONY: verify/workflows
verify/workflows: # what GitHub runs is well-formed
	$(TOOL) actionlint -shellcheck= -pyflakes=

## Writing

# The folder whose comments `make prose/count` counts, such as a checkout of an older commit.
FROM ?= $(CURDIR)

.PHONY: prose/count
prose/count: ## count writing habits per thousand comment lines
	@GOWORK=off go -C tools/prose run . count '$(FROM)'

.PHONY: generate
generate: ## generate the queries of sql/, the types of openapi.yaml, and the docs of settings and gateways
	$(TOOL) sqlc generate
	tools/wire.sh write
	go run ./app/config/writedocs > docs/configuration.md.new && mv docs/configuration.md.new docs/configuration.md
	go run ./app/config/writedocs docs/gateways.md > docs/gateways.md.new && mv docs/gateways.md.new docs/gateways.md

# The run has a sick gateway. It takes two minutes, most of it for payments, so that the charts are not empty.
.PHONY: screenshots
screenshots: needs ## take the screenshots of docs/console.md from a real run
	go test ./tools/e2e/console -count=1 -run 'TestScreenshots$$' -args -screenshots='$(CURDIR)/docs/images'

.PHONY: fmt
fmt: ## format the code
	$(TOOL) golangci-lint fmt

.PHONY: clean
clean: ## remove build output; databases, ledgers and secrets stay
	rm -rf bin

.PHONY: help
help:
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z0-9\/-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
