# The commands of the project; each first checks that the system has what it needs, and installs what is missing.

.PHONY: help setup build demo test check examples doc bench clean
.DEFAULT_GOAL := help

CARGO ?= cargo
FTC = target/release/ftc
OUT = target/examples

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 16

setup: ## install what is missing: LLVM 22 and a C compiler
	@.ci/setup.sh

build: setup ## build ftc: target/release/ftc
	$(CARGO) build --release --locked

test: setup ## everything that CI runs
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	INSTA_UPDATE=no $(CARGO) test --locked
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps
	$(CARGO) check --locked --no-default-features

clean: ## remove all that was built
	$(CARGO) clean
