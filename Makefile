# What a person types here. `make test` is what CI runs, and all of it.
#
# Each target installs what it needs (scripts/need.sh), so that a machine with cargo, make,
# git and apt is enough. Nothing is built twice: clippy shares its artefacts with `quick`, the
# documentation is of this package alone, and all tests come out of one `cargo test` build.

CARGO ?= cargo
LIMIT := --manifest-path benches/limit/Cargo.toml --locked
# Where cargo puts things, with the measuring program kept apart from the product.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
LIMIT_DIR := --target-dir $(CARGO_TARGET_DIR)/limit

.PHONY: help demo test quick deny soak planted bench bench-h2 limits charts grpc image monitoring limit-program release clean

help:
	@echo 'make demo    a sample shop behind Larder, with curl lines to try'
	@echo 'make test    everything CI runs: format, lints, documentation, all tests'
	@echo 'make quick   the inner loop: check, and the tests beside the code'
	@echo 'make deny    licences, advisories, bans and sources of everything Larder is built from'
	@echo 'make soak    the long tests, in a release build'
	@echo 'make planted shows that the simulation finds bugs that are planted in the log'
	@echo 'make bench   what a decision and a hit cost, beside nginx, HAProxy and a bare epoll program'
	@echo 'make bench-h2  what a hit costs by HTTP/1.1 and HTTP/2, in clear and over TLS, beside nginx'
	@echo 'make limits  memory bounds of the release binary'
	@echo 'make charts  the Helm charts: rendered, and checked object by object'
	@echo 'make grpc    every kind of gRPC call through Larder, by a client and a server of its own'
	@echo 'make image   the container image: built, run as in a restricted pod, and measured'
	@echo 'make monitoring  alerts and dashboard, with a real Prometheus'

demo:
	@scripts/need.sh cc
	$(CARGO) run --release --locked --quiet -- demo $(ARGS)

test:
	@scripts/need.sh cc rustfmt clippy redis-server curl zstd python3 node
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path benches/limit/Cargo.toml
	$(CARGO) clippy $(LIMIT) $(LIMIT_DIR) --all-targets --quiet -- -D warnings
	$(CARGO) test $(LIMIT) $(LIMIT_DIR) --quiet
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items
	$(CARGO) test --locked --doc
	$(CARGO) test --locked --lib --bins --tests --no-fail-fast

quick:
	@scripts/need.sh cc redis-server
	$(CARGO) check --locked --all-targets
	$(CARGO) test --locked --lib --quiet

# No part of `test`: it asks the advisory database, whose answer changes without a commit.
deny:
	@scripts/need.sh cargo-deny
	$(CARGO) deny --locked check

# Tests that take minutes are named soak_… and ignored elsewhere; they run one after another.
soak:
	@scripts/need.sh cc redis-server curl zstd python3 node
	$(CARGO) test --locked --release --test it --test model --no-fail-fast soak_ -- --ignored --nocapture --test-threads 1

# Takes half an hour: each bug is built, and looked for with all traces and some histories.
planted:
	@scripts/need.sh cc python3
	python3 scripts/planted.py $(ARGS)

bench: release limit-program
	@scripts/need.sh wrk nginx haproxy taskset python3 redis-server redis-benchmark varnishd brotli zstd
	$(CARGO) bench --locked --bench policy -- --noplot
	python3 benches/run.py $(ARGS)
	python3 benches/writes.py
	python3 benches/redis.py
	python3 benches/compress.py

bench-h2: release limit-program
	@scripts/need.sh h2load nginx openssl taskset python3
	python3 benches/h2load.py $(ARGS)

limits: release limit-program
	@scripts/need.sh python3
	python3 scripts/large_bodies.py $(ARGS)

# With a Prometheus of its own and two pods, for less than a minute.
monitoring:
	@scripts/need.sh cc
	$(CARGO) build --locked --quiet
	@scripts/monitoring.sh

release:
	@scripts/need.sh cc
	$(CARGO) build --release --locked

limit-program:
	@scripts/need.sh cc
	$(CARGO) build $(LIMIT) $(LIMIT_DIR) --release

clean:
	$(CARGO) clean

# Lints and renders the charts with all their ci/ values, and checks all that comes out.
charts:
	@scripts/need.sh cc python3 venv npm
	$(CARGO) build --locked --bin larder
	scripts/charts.sh

# Every kind of gRPC call through Larder, by grpcio.
grpc:
	@scripts/need.sh cc python3 venv
	$(CARGO) build --locked --bin larder
	scripts/grpc.sh

# Builds the container image from the Dockerfile without a registry, and runs what comes out.
image:
	@scripts/need.sh cc musl-gcc buildah python3 setpriv unshare
	scripts/image.sh
