# The commands people type; `make help` lists them. The work is in scripts/ and
# vm/, the module's own build in Kbuild.

export KDIR PORT MODULE_ARGS RUN_ONCE DURATION ONLY JOBS INSTALL_MOD_PATH

help:
	@printf '%s\n' \
		'make run        build everything, boot a Debian kernel, serve on 127.0.0.1:11211/udp' \
		'                (PORT=11211 MODULE_ARGS="workers=1 memory=64" RUN_ONCE=1)' \
		'make test       run every test (ONLY=name for one suite, DURATION=30)' \
		'make test-debug run tests on a kernel with KASAN, lockdep, kmemleak (built first: ten minutes)' \
		'make test-all   both, as CI does' \
		'make check      formatting and lints of all the code' \
		'make bench      what a request costs, in instructions, beside others' \
		'make bench-check     our own rows in two minutes, failing when we became dearer' \
		'make bench-stages    where they go: claim, dispatch, frame, parse, lookup, reply, transmit' \
		'make bench-baseline  what these two minutes are compared with, anew' \
		'make bench-core      the store beside other stores, in userspace (bench-hits: hit ratios; bench-allocator)' \
		'make module     build unbuckle.ko (KDIR=/lib/modules/$$(uname -r)/build for this machine'"'"'s kernel)' \
		'make install    install the module for the running kernel (INSTALL_MOD_PATH=)' \
		'make twin       build the userspace twin, build/unbuckle-twin' \
		'make bootstrap  make the Debian 13 build root only' \
		'make update     ask Debian for a newer kernel, now' \
		'make clean      remove what was built; make distclean: the build root too'

bootstrap:
	@scripts/bootstrap

update:
	@scripts/bootstrap --update

ifeq ($(KDIR),)
module: bootstrap
endif
module:
	@scripts/build-module

twin:
	@scripts/build-userspace twin

guest-tools:
	@scripts/build-userspace guest

run:
	@scripts/run

check:
	@scripts/test check

test:
	@scripts/test

test-debug:
	@scripts/test debug

test-all:
	@scripts/test all

bench:
	@bench/run

bench-core:
	@bench/core

bench-allocator:
	@bench/core allocator

bench-hits:
	@bench/core hits

bench-check:
	@bench/run --subset --check

bench-stages:
	@bench/stages

bench-baseline:
	@bench/run --subset --make-baseline

# As other modules do: into the kernel that KDIR says, this machine's by default.
INSTALL_KDIR = $(or $(KDIR),/lib/modules/$(shell uname -r)/build)
modules_install install:
	@KDIR=$(INSTALL_KDIR) scripts/build-module
	$(MAKE) -C $(INSTALL_KDIR) M=$(CURDIR) MO=$(CURDIR)/build/module modules_install

clean:
	rm -rf build unbuckle.ko

distclean: clean
	@scripts/remove-root

.PHONY: help bootstrap update module twin guest-tools run check test test-debug test-all bench bench-check bench-baseline bench-stages bench-core bench-allocator bench-hits modules_install install clean distclean
