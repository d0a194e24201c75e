# make help lists the targets.

GO     ?= go
PREFIX ?= /usr/local

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)

ROOMS   := cmd ctl fs remote sstate store
SOURCES := $(shell find $(ROOMS) -name '*.go' ! -name '*_test.go') go.mod go.sum
# What is run once more on a single CPU, with the race detector in the daemon:
# where a deadlock would show. Two such runs go side by side.
ONE_CPU := Publish|TwoHosts|Restore|Kill|Posix
# A deadlock or a race of ours is the same on all servers: not those on one CPU.
NOT_ONE_CPU := 20ms|minio|rclone|nginx|apache|deep|LoadTwoHosts

# Without this each process with the race detector waits a second at its end.
RACE := GORACE=atexit_sleep_ms=10

# git is asked for the commit only, and may be missing.
COMMIT  := $(shell git rev-parse --verify -q HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.DEFAULT_GOAL := help
.PHONY: help run test one-cpu-rooms one-cpu-mounts lint docs deps build install bench bench-quick clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: ## build, and mount REMOTE= at MOUNTPOINT= until Ctrl-C; both have defaults
	@scripts/deps.sh run
	@$(MAKE) --no-print-directory -s bin/sstatefs
	@REMOTE='$(REMOTE)' MOUNTPOINT='$(MOUNTPOINT)' exec scripts/run.sh

test: deps ## install what the tests need and run them all
	@GO='$(GO)' scripts/check-go.sh
	@bad=$$(gofmt -l $(ROOMS) integration); test -z "$$bad" || { echo "gofmt -w these:" $$bad >&2; exit 1; }
	$(GO) vet ./...
	$(RACE) $(GO) test -race -shuffle=on -count=1 -timeout 15m -parallel 6 $$($(GO) list ./... | grep -v '/integration$$')
	$(GO) test -shuffle=on -count=1 -timeout 20m -parallel 8 ./integration/
	@$(MAKE) --no-print-directory -j2 -Otarget one-cpu-rooms one-cpu-mounts

one-cpu-rooms:
	GOMAXPROCS=1 $(GO) test -shuffle=on -count=1 -timeout 15m ./cmd/... ./fs/... ./store/...

one-cpu-mounts:
	SSTATEFS_TEST_RACE_DAEMON=1 GOMAXPROCS=1 $(RACE) $(GO) test -shuffle=on -count=1 -timeout 15m -parallel 4 -run '$(ONE_CPU)' -skip '$(NOT_ONE_CPU)' ./integration/

lint: $(GOLANGCI) ## run the linters of .golangci.yml
	$(GOLANGCI) run ./...

$(GOLANGCI):
	@GO='$(GO)' scripts/check-go.sh
	GOBIN=$(CURDIR)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv bin/golangci-lint $@

docs: ## write the pages of the commands (docs/commands, man) anew, from what --help says
	$(GO) test ./cmd/sstatefs -count=1 -run TestPages -update

deps: ## install what the tests need and build their servers (10 minutes, once); an ordinary user is told the line to type
	@GO='$(GO)' scripts/deps.sh test

build: bin/sstatefs ## build bin/sstatefs

bin/sstatefs: $(SOURCES)
	@GO='$(GO)' scripts/check-go.sh
	@echo "building $@"
	@CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $@ ./cmd/sstatefs

install: bin/sstatefs ## install the program, its man pages and completions below PREFIX=/usr/local; DESTDIR= works
	install -D -m 0755 bin/sstatefs $(DESTDIR)$(PREFIX)/bin/sstatefs
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -d $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	bin/sstatefs completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sstatefs
	bin/sstatefs completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sstatefs
	bin/sstatefs completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sstatefs.fish

bench: bin/sstatefs ## measure all figures in one run, 50 minutes on a quiet machine; BENCH= as docs/BENCHMARKS.md says
	@GO='$(GO)' scripts/deps.sh bench
	$(GO) run ./integration/bench -binary bin/sstatefs $(BENCH)

bench-quick: bin/sstatefs ## the same in under two minutes, with small numbers and without rclone and s3fs
	@GO='$(GO)' scripts/deps.sh test
	$(GO) run ./integration/bench -binary bin/sstatefs -quick -servers versitygw -rtt 20ms -without rclone,s3fs $(BENCH)

clean: ## remove what was built
	rm -rf bin
