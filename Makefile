# make run     build, and serve the demo      (ARGS: what ripd is given instead)
# make test    all checks and all tests       (PKG: packages to test)
# make lint    the checks alone
# make bench   ripd beside other servers, with all loads, in a quarter of an hour  (BENCH: flags, see internal/bench)
# make bench-stages  what each stage of a request costs, and how the pool's lock holds
# make pgo     a CPU profile of ripd under load, for a profile-guided build  (PROFILE: where to)
# make fresh   save an app's files SAVES times under load, for each language and reload mode
# make fuzz    each fuzz target for FUZZTIME
# make chaos   ripd under load while everything fails, for CHAOS
# make websockets  all cases of the WebSocket protocol, with those of many megabytes
# make deb     the Debian packages, in dist/  (DEB: architectures, else amd64 and arm64)
# make clean   remove what was built

VERSION   := $(shell git describe --tags --dirty 2>/dev/null || echo devel-$$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown))
ARGS      ?= demo
PKG       ?= ./...
BENCH     ?=
PROFILE   ?= $(CURDIR)/bin/ripd.pgo
FUZZTIME  ?= 1m
FUZZJOBS  ?= $(shell nproc)
CHAOS     ?= 5m
SAVES     ?= 1000
DEB       ?= amd64 arm64
TESTLIMIT ?= 20m

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The same sources and version give the same bytes.
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid= -X main.version=$(VERSION)'

.PHONY: build run test lint fmt vet staticcheck shellcheck vuln packages bench bench-stages pgo fresh fuzz chaos websockets deb clean
.DEFAULT_GOAL := build

build:
	@$(BUILD) -o bin/ ./cmd/ripd ./cmd/ripctl

run: build
	@exec bin/ripd $(ARGS)

# Each step stops at the first finding; the tests come last.
test: packages fmt vet staticcheck shellcheck
	@echo '== go test -race'
	@go test -race -timeout $(TESTLIMIT) $(PKG)

lint: packages fmt vet staticcheck shellcheck vuln

packages:
	@echo '== Debian packages'
	@packaging/install-packages

fmt:
	@echo '== gofmt'
	@unformatted=$$(gofmt -l cmd internal docs) && [ -z "$$unformatted" ] || \
		{ echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; }

vet:
	@echo '== go vet'
	@go vet ./...
	@go vet -tags profile ./cmd/ripd

# Its settings are in staticcheck.conf.
staticcheck:
	@echo '== staticcheck'
	@go run $(STATICCHECK) ./...

# Every script in the repository: what starts with a shell's name.
shellcheck:
	@echo '== shellcheck'
	@git ls-files -z | xargs -0 grep -lIE -m1 '^#!(/usr/bin/env |/bin/)(ba|da)?sh' \
		| while read -r file; do head -n 1 "$$file" | grep -q '^#!' && echo "$$file" || true; done \
		| xargs -r shellcheck

# The data base of known vulnerabilities is on the network.
vuln:
	@echo '== govulncheck'
	@if getent hosts vuln.go.dev >/dev/null; then go run $(GOVULNCHECK) ./...; \
	else echo 'left out: the data base of vulnerabilities cannot be reached from here'; fi

# BENCH='-write docs/benchmarks.md' puts the result into the page; '-resume FILE' goes on where an interrupted run was.
bench: build
	@packaging/install-packages bench
	@go build -o bin/bench ./internal/bench
	@exec bin/bench $(BENCH)

bench-stages:
	@go run ./internal/bench -stages $(BENCH)

# The page of benchmarks says what the profile brings, and why it is no part of the build.
pgo: build
	@packaging/install-packages bench
	@go build -o bin/bench ./internal/bench
	@CGO_ENABLED=0 go build -tags profile -pgo=off -trimpath -buildvcs=false -o bin/profiled/ ./cmd/ripd
	@RIPD_CPUPROFILE=$(PROFILE) bin/bench -profile -seconds 3 -ripd bin/profiled/ripd $(BENCH)
	@CGO_ENABLED=0 go build -pgo=$(PROFILE) -trimpath -buildvcs=false -ldflags '-s -w' -o bin/guided/ ./cmd/ripd
	@echo "$(PROFILE): compare with make bench BENCH='-scenarios c512,c64,tls -servers ripd,ripd-b -ripd-b bin/guided/ripd'"

# make test does the same with few saves. This takes an hour or more.
fresh: packages
	@RIPD_SAVES=$(SAVES) go test -count=1 -timeout 6h -run StaysFresh -v ./internal/e2e

# The targets are found by name: as many at a time as there are cores, each on one of
# them. One that fails does not end the others.
fuzz:
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' cmd internal | sed -E 's|/[^/]*:func | |' \
		| xargs -P $(FUZZJOBS) -L 1 .ci/fuzz-one $(FUZZTIME)

# make test has half a minute of it.
chaos:
	@CHAOS=$(CHAOS) go test -race -count=1 -timeout 24h -v -run '^TestChaos$$' ./internal/e2e

# make test leaves the long ones out.
websockets: packages
	@WEBSOCKETS=all go test -count=1 -timeout 1h -v -run '^TestWebSocketCases$$' ./internal/e2e

# Nothing but Go is needed; nfpm comes as a module.
deb:
	@packaging/deb/build $(DEB)

clean:
	@rm -rf bin dist
	@go clean -testcache
