# Pulsar Charms. `make help` lists what there is to make.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BUILD    := build
ARCH     := $(shell go env GOARCH)
CHARMLAB := $(BUILD)/charmlab
SEEDS    ?= 100000

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Deploy a Pulsar cluster on this machine and send messages through it
	@CHARMLAB=$(CHARMLAB) CHARMS=$(BUILD) ARCH=$(ARCH) tests/quickstart

.PHONY: test
test: ## Run all tests: units, model, scripts, real Pebble, real cluster
	@tests/run

.PHONY: test-fast
test-fast: ## Run the tests that need neither Pulsar nor Python
	@go list ./... | grep -vE '/tests/(conformance|integration)$$' | xargs go test -skip '^TestSimulation$$'

.PHONY: simulate
simulate: ## Run the simulator on SEEDS histories (SEEDS=100000 for long)
	@go test ./tests/simulation -run '^TestSimulation$$' -count=1 -timeout 0 -seeds $(SEEDS) -progress 10s -v

.PHONY: replay
replay: ## Play the simulator's history of one seed again (SEED=7)
	@go test ./tests/simulation -run '^TestSimulation$$' -count=1 -seed $(SEED)

.PHONY: bench
bench: build ## Measure deploy to first message, and one hook, against their peers and Python
	@go run ./tests/bench -build $(BUILD)

.PHONY: build
build: ## Build charmlab and pack the charms for this machine
	@mkdir -p $(BUILD)
	@CGO_ENABLED=0 go build -trimpath -o $(CHARMLAB) ./cmd/charmlab
	@CGO_ENABLED=0 go build -trimpath -o $(BUILD)/pebble github.com/canonical/pebble/cmd/pebble
	@go run ./cmd/pack -output $(BUILD) -arch $(ARCH)

.PHONY: charms
charms: ## Pack the charms for amd64 and arm64 into build/
	@go run ./cmd/pack -output $(BUILD) -arch amd64,arm64

.PHONY: lint
lint: ## Check formatting, vet, and the linters of .golangci.yaml if installed
	@test -z "$$(gofmt -l cmd charms internal metadata tests)" || { gofmt -l cmd charms internal metadata tests; exit 1; }
	@go vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: only gofmt and go vet ran"; fi

.PHONY: clean
clean: ## Delete build/
	@rm -rf $(BUILD)
