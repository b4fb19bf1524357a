# The commands of the project; each first checks that the system has what it needs, and installs what is missing.

.PHONY: help setup build demo examples test bench clean
.DEFAULT_GOAL := help

CARGO ?= cargo
SUITE ?= benches/small.json
ARGS ?=
FTC = target/release/ftc
OUT = target/demo
# A C program that finds the library beside itself.
C_DEMO = $(CC) -std=c11 -O2 -Wall -Wextra -Wl,-rpath,'$$ORIGIN'

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 16

setup: ## install what is missing: LLVM 22, a C compiler, nvcc
	@.ci/setup.sh

build: setup ## build ftc: target/release/ftc
	$(CARGO) build --release --locked

demo: build ## read 500 handwritten digits with a network that ftc compiled
	@mkdir -p $(OUT)
	$(FTC) build examples/digits/net.ft -o $(OUT)/digits
	$(C_DEMO) examples/digits/main.c -I$(OUT)/digits -o $(OUT)/digits/demo -L$(OUT)/digits -lnet -lm
	$(OUT)/digits/demo examples/digits/data

examples: build ## the other examples: a product called from C, softmax, image filters, an error
	@mkdir -p $(OUT)
	$(FTC) build examples/gemm/gemm.ft -o $(OUT)/gemm
	$(C_DEMO) examples/gemm/main.c -I$(OUT)/gemm -o $(OUT)/gemm/demo -L$(OUT)/gemm -lgemm -lm
	$(OUT)/gemm/demo
	$(FTC) run examples/softmax/softmax.ft --in x=examples/softmax/x.npy
	$(CARGO) run --release --locked --quiet --example filter -- blur examples/filter/lake.png $(OUT)/blurred.png
	$(CARGO) run --release --locked --quiet --example filter -- edges examples/filter/lake.png $(OUT)/edges.png
	! $(FTC) check examples/error/blur.ft

test: setup ## everything that CI runs
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	INSTA_UPDATE=no $(CARGO) test --locked
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps
	$(CARGO) check --locked --no-default-features

bench: build ## time a small suite; SUITE=FILE.json and ARGS='--peer torch' for others
	$(FTC) bench $(SUITE) $(ARGS)

clean: ## remove all that was built
	$(CARGO) clean
