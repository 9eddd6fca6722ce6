# SPDX-License-Identifier: MIT
#
# make             build/cowshed and build/cowload (installs what is missing first)
# make run         serve www/ with the settings of conf/cowshed.conf
# make test        unit and end-to-end tests; T=NAME runs those whose name contains it
# make bench       compare the modes under load; the report is in build/bench/
# make bench-nginx CPU time per request, beside nginx's
# make bench-wrk   CPU time of the generator per request, beside wrk's
# make bench-ab    how often the comparison of two servers is wrong
# make bench-fork  what a fork costs, by size and kind of heap
# make gc-pause    how long the collector stops its owner, with 1 GiB live
# make gc-bench    the heap beside bdwgc; every run is in build/gc-bench/
# make bench-tls   CPU time of a full TLS handshake, beside nginx
# make chaos       which requests fail while everything happens to a server under load
# make cluster     HAProxy and several servers in namespaces: kills one, drains one, adds one
# make fuzz        random bytes as requests, configurations, messages; TIME=60 seconds each (clang)
# make fuzz-gc     random operations on the heap against a model; TIME=60 seconds (clang)
# make soak        kills, stops, reloads, slow clients for TIME seconds; SEED= MODES=
# make valgrind-gc the heap's own errors in the use of memory, where valgrind is installed
# make lint        layers, headers, sizes, format, static analysis
# make lib         the collector as a library of its own, libcowgc.a
# make install     PREFIX=/usr/local DESTDIR=; install-lib: only the library, its manual
# make clean       removes build/ but for build/deps
#
# Kinds of build, each in a folder of its own below build/:
#   BUILD=release (-O2 -g, the default) | debug (-O0 -g3)
#   SAN=address,undefined | address | undefined | thread
# V=1 shows the commands.
# -Werror is on in `make test`, in `make lint`, with WERROR=1 and when CI=true.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD ?= release
SAN ?=
T ?=
PREFIX ?= /usr/local
DESTDIR ?=

comma := ,
quiet := $(if $(V),,@)
# `make -s` says nothing but warnings.
tell = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-4s %s\n' $(1) $@)

ifneq ($(words $(filter $(BUILD),release debug)),1)
$(error BUILD=$(BUILD): allowed are release and debug)
endif
SANS := address undefined address$(comma)undefined undefined$(comma)address thread
ifneq ($(SAN),$(filter $(SANS),$(firstword $(SAN))))
$(error SAN='$(SAN)': allowed are address, undefined, address$(comma)undefined and thread)
endif

KIND := $(BUILD)$(if $(SAN),-$(SAN))
B := build/$(KIND)

# --- what the build needs from the system: .ci/deps finds or installs it ------------

DEPS_MK := build/deps/config.mk
ifneq ($(filter-out clean deps lib install-lib,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell .ci/deps check 2>/dev/null),ok)
# Not .PHONY: make reads an included file again only when it is a real target.
$(DEPS_MK): missing-deps
endif
include $(DEPS_MK)
endif

$(DEPS_MK): .ci/deps
	@.ci/deps install

# --- flags --------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wvla -Wcast-qual -Wwrite-strings -Wpointer-arith \
	-Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -fno-common
ifneq ($(filter true 1,$(CI) $(WERROR))$(filter test test-% lint,$(MAKECMDGOALS)),)
WARN += -Werror
endif

OPT_release := -O2 -g
OPT_debug := -O0 -g3
# Sanitizers need some optimization to be bearable and frame pointers for their traces.
OPT_san := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=$(SAN)

CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
OPT := $(OPT_$(BUILD)) $(if $(SAN),$(OPT_san))
ALL_CPPFLAGS := -I. -D_GNU_SOURCE $(DEPS_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS := -std=c17 -pthread $(OPT) $(WARN) $(CFLAGS)
# Macros of tests/test.h take an optional format.
TEST_CFLAGS := -Wno-pedantic -Wno-format-zero-length -Wno-format-truncation
ALL_LDFLAGS := -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LDLIBS := $(DEPS_LIBS) -lm

# --- sources: what exists is built --------------------------------------------------

PARTS := $(sort $(patsubst %/,%,$(dir $(wildcard server/*/*.c gc/*.c loadtest/*.c))))
MAINS := $(wildcard server/main.c loadtest/main.c)
PROGRAMS := $(if $(wildcard server/main.c),cowshed) $(if $(wildcard loadtest/main.c),cowload)

part_src = $(filter-out %/main.c,$(wildcard $(1)/*.c))
part_lib = $(B)/lib/lib$(subst /,-,$(1)).a
objects = $(patsubst %.c,$(B)/%.o,$(1))

LIBS := $(foreach p,$(PARTS),$(if $(call part_src,$(p)),$(call part_lib,$(p))))

# Without the programs of gc-bench: one of them needs what no test does.
TEST_C := $(sort $(shell find tests -name '*.c' ! -path 'tests/bench/gc_bench_*'))
TEST_PROGRAM_C := $(foreach c,$(TEST_C),$(if $(filter test_%,$(notdir $(c))),$(c)))
BENCH_C := $(filter tests/bench/%,$(TEST_C))
BENCH_PROGRAMS := $(patsubst %.c,$(B)/%,$(BENCH_C))
TEST_HELPER_C := $(filter-out $(TEST_PROGRAM_C) $(BENCH_C),$(TEST_C))
TEST_PROGRAMS := $(patsubst %.c,$(B)/%,$(TEST_PROGRAM_C))
TEST_LIB := $(B)/lib/libtest.a

ALL_OBJECTS := $(call objects,$(foreach p,$(PARTS),$(call part_src,$(p))) $(MAINS) $(TEST_C))

# --- rules --------------------------------------------------------------------------

.PHONY: all missing-deps deps run test test-unit test-e2e test-build bench bench-nginx bench-fork bench-ab bench-wrk \
	cluster chaos bench-tls gc-bench gc-pause fuzz fuzz-libs fuzz-gc soak valgrind-gc lint lib install install-lib clean
.SECONDARY:

all: $(addprefix $(B)/,$(PROGRAMS)) $(LIBS)

ifeq ($(KIND),release)
all: $(addprefix build/,$(PROGRAMS))
$(addprefix build/,$(PROGRAMS)): build/%: $(B)/%
	@ln -sfn $(KIND)/$* $@
endif

define part_rule
$(call part_lib,$(1)): $(call objects,$(call part_src,$(1)))
	@mkdir -p $$(@D)
	$$(call tell,AR)
	@rm -f $$@
	$$(quiet)$$(AR) rcs $$@ $$^
endef
$(foreach p,$(PARTS),$(eval $(call part_rule,$(p))))

$(TEST_LIB): $(call objects,$(TEST_HELPER_C))
	@mkdir -p $(@D)
	$(call tell,AR)
	@rm -f $@
	$(quiet)$(AR) rcs $@ $^

# What page.c takes into the program.
$(B)/loadtest/page.o: loadtest/report.html $(CHART_JS)
$(B)/loadtest/page.o: ALL_CPPFLAGS += -DCHART_JS='"$(CHART_JS)"'

$(B)/tests/%.o: ALL_CFLAGS += $(TEST_CFLAGS)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call tell,CC)
	$(quiet)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

link = $(CC) $(ALL_LDFLAGS) -o $@ $(1) -Wl,--start-group $(2) -Wl,--end-group $(LDLIBS)

$(B)/cowshed: $(B)/server/main.o $(filter-out %/libloadtest.a,$(LIBS))
	$(call tell,LINK)
	$(quiet)$(call link,$<,$(filter %.a,$^))

$(B)/cowload: $(B)/loadtest/main.o $(LIBS)
	$(call tell,LINK)
	$(quiet)$(call link,$<,$(filter %.a,$^))

# The server and the load generator are two programs: a test links the parts of one.
not_linked = $(if $(findstring /loadtest/,$(1)),%/libserver-conf.a,%/libloadtest.a)

$(TEST_PROGRAMS): %: %.o $(TEST_LIB) $(LIBS)
	$(call tell,LINK)
	$(quiet)$(call link,$<,$(filter-out $(call not_linked,$@),$(filter %.a,$^)) -lcmocka)

$(BENCH_PROGRAMS): %: %.o $(call part_lib,gc)
	$(call tell,LINK)
	$(quiet)$(call link,$<,$(filter %.a,$^))

# The programs of gc_bench, with a collector each. That of bdwgc is compiled without -I.,
# because its header is gc/gc.h too.
GC_BENCH := $(B)/tests/bench/gc_bench
GC_BENCH_C := $(addprefix tests/bench/gc_bench_,main.c programs.c pages.c)

$(GC_BENCH)_bdwgc.o: ALL_CPPFLAGS := -iquote . -D_GNU_SOURCE $(CPPFLAGS)

$(GC_BENCH)-cowgc: $(call objects,$(GC_BENCH_C)) $(GC_BENCH)_cowgc.o $(call part_lib,gc)
	$(call tell,LINK)
	$(quiet)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(GC_BENCH)-bdwgc: $(call objects,$(GC_BENCH_C)) $(GC_BENCH)_bdwgc.o
	$(call tell,LINK)
	$(quiet)$(CC) $(ALL_LDFLAGS) -o $@ $^ $$(pkg-config --libs bdw-gc)

# So that the addresses of a crash have names.
$(B)/cowshed: ALL_LDFLAGS += -rdynamic

# Its own versions of these can fail.
$(B)/tests/unit/gc/test_failures: ALL_LDFLAGS += $(addprefix -Wl$(comma)--wrap=,malloc calloc \
	realloc free mmap munmap mprotect madvise mincore memfd_create ftruncate fcntl open)

-include $(ALL_OBJECTS:.o=.d) $(wildcard $(B)/tests/bench/*.d)

# --- what people ask for ------------------------------------------------------------

deps:
	.ci/deps install

run: all
	$(B)/cowshed -c conf/cowshed.conf

# With T, only the programs that it names are built.
wanted = $(if $(T),$(foreach p,$(1),$(if $(findstring $(T),$(p)),$(p))),$(1))

test-build: all $(call wanted,$(TEST_PROGRAMS) $(BENCH_PROGRAMS)) $(GC_BENCH)-cowgc

RUN_TESTS = python3 tests/run.py --build $(B) $(if $(T),--only '$(T)')

test: test-build
	@$(RUN_TESTS) --unit --e2e --lint

test-unit: test-build
	@$(RUN_TESTS) --unit

test-e2e: all $(GC_BENCH)-cowgc
	@$(RUN_TESTS) --e2e

bench: all
	$(B)/cowload ab --config conf/bench.conf --zipf 10000,0.99 --total 290s --attribute \
		--out build/bench

# A minute of kills, reforks, reloads and upgrades under load, three times.
chaos: all
	@.ci/deps install tools
	@python3 tests/bench/chaos.py --cowshed $(B)/cowshed --cowload $(B)/cowload $(CHAOS_FLAGS)

bench-tls: all
	@.ci/deps install bench
	@python3 tests/bench/tls_handshake.py --cowshed $(B)/cowshed

# HAProxy and up to four servers in network namespaces: what a client notices.
cluster: all
	@.ci/deps install tools
	@python3 tests/bench/cluster.py --cowshed $(B)/cowshed --cowload $(B)/cowload $(CLUSTER_FLAGS)

bench-nginx: all
	@.ci/deps install bench
	python3 tests/bench/cpu_per_request.py --cowshed $(B)/cowshed --cowload $(B)/cowload

bench-wrk: all
	@.ci/deps install tools
	python3 tests/bench/generator_cost.py --cowload $(B)/cowload

bench-ab: all
	python3 tests/bench/false_verdicts.py --cowload $(B)/cowload

gc-pause: $(B)/tests/bench/gc_pause
	$<

bench-fork: all
	python3 tests/bench/fork_cost.py --cowshed $(B)/cowshed

# Without libgc-dev the columns of bdwgc are left out, and said to be.
gc-bench: $(GC_BENCH)-cowgc
	@.ci/deps install gc-bench || true
	@! pkg-config --exists bdw-gc || $(MAKE) $(GC_BENCH)-bdwgc
	python3 tests/bench/gc_bench.py --cowgc $(GC_BENCH)-cowgc --bdwgc $(GC_BENCH)-bdwgc

# What it finds worth keeping stays in build/fuzz-gc/corpus; what it breaks with, beside it.
FUZZ_GC := $(wildcard gc/*.c tests/fuzz/*gc*.c)
TIME ?= 60
FUZZ_FLAGS ?=

build/fuzz-gc/fuzz_gc: $(FUZZ_GC) $(wildcard gc/*.h tests/fuzz/*gc*.h) Makefile
	@mkdir -p $(@D)/corpus
	$(call tell,LINK)
	$(quiet)clang -I. -D_GNU_SOURCE -DFUZZ_LIBFUZZER -std=c17 -O1 -g -fno-omit-frame-pointer \
		-fsanitize=fuzzer,address -o $@ $(FUZZ_GC)

fuzz-gc:
	@.ci/deps install fuzz || true
	@if command -v clang >/dev/null; then $(MAKE) build/fuzz-gc/fuzz_gc && \
		build/fuzz-gc/fuzz_gc -max_total_time=$(TIME) -max_len=1500 -len_control=50 \
			-timeout=30 -artifact_prefix=build/fuzz-gc/ -print_final_stats=1 $(FUZZ_FLAGS) \
			build/fuzz-gc/corpus tests/fuzz/corpus-gc; \
	else echo 'skipped: fuzz-gc needs clang'; fi

# All of the server in a build of its own, then one program for each target: what it finds
# worth keeping stays in build/fuzz/NAME, beside what it breaks with. TIME is for each.
FUZZ := $(filter-out main gc,$(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_OBJECTS = $(MAKE) CC=clang B=build/fuzz/objects SAN=address,undefined \
	CFLAGS=-fsanitize=fuzzer-no-link

fuzz-libs: $(LIBS) $(TEST_LIB)

build/fuzz/%/target: tests/fuzz/fuzz_main.c
	@mkdir -p $(@D)/corpus
	$(call tell,LINK)
	$(quiet)clang -I. -D_GNU_SOURCE -DFUZZ_TARGET=fuzz_$* -std=c17 -O1 -g -pthread \
		-fsanitize=fuzzer,address,undefined -o $@ $< -Wl,--start-group \
		$(filter-out %/libloadtest.a,$(wildcard build/fuzz/objects/lib/*.a)) -Wl,--end-group $(LDLIBS) -lcmocka

# The words that the target knows: names of options.
build/fuzz/%/words: server/conf/options.def
	@mkdir -p $(@D)
	$(quiet)sed -nE 's/^[A-Z]+\(([a-z_.]+),.*/"\1"/p' $< >$@

fuzz:
	@.ci/deps install fuzz || true
	@if command -v clang >/dev/null; then $(FUZZ_OBJECTS) fuzz-libs && \
		rm -f $(FUZZ:%=build/fuzz/%/target) && \
		for name in $(FUZZ); do $(MAKE) build/fuzz/$$name/target build/fuzz/$$name/words && \
			mkdir -p tests/fuzz/corpus-$$name && \
			build/fuzz/$$name/target -max_total_time=$(TIME) -max_len=4096 -timeout=30 \
				-artifact_prefix=build/fuzz/$$name/ -print_final_stats=1 \
				-dict=build/fuzz/$$name/words $(FUZZ_FLAGS) \
				build/fuzz/$$name/corpus tests/fuzz/corpus-$$name || exit 1; done; \
	else echo 'skipped: fuzz needs clang'; fi

# Every 47th combination of settings: a minute.
VALGRIND_GC := $(wildcard gc/*.c tests/fuzz/*gc*.c) $(addprefix tests/,test.c unit/gc/heap_test.c) \
	$(addprefix server/base/,check.c prng.c)

build/valgrind-gc/%: tests/unit/gc/%.c $(VALGRIND_GC) $(wildcard gc/*.h tests/fuzz/*gc*.h) Makefile
	@mkdir -p $(@D)
	$(call tell,LINK)
	$(quiet)$(CC) $(ALL_CPPFLAGS) -DGC_VALGRIND -std=c17 -O1 -g -pthread -o $@ $< $(VALGRIND_GC) \
		-lcmocka -lm

valgrind-gc:
	@.ci/deps install valgrind || true
	@if command -v valgrind >/dev/null; then \
		$(MAKE) build/valgrind-gc/test_poison build/valgrind-gc/test_fuzz_gc && \
		valgrind -q --error-exitcode=9 build/valgrind-gc/test_poison && \
		FUZZ_GC_EVERY=47 valgrind -q --error-exitcode=9 build/valgrind-gc/test_fuzz_gc one_input; \
	else echo 'skipped: valgrind-gc needs valgrind'; fi

SEED ?= 0
MODES ?= shared,arena,threads

soak: all
	cd tests && COWSHED_BUILD=../$(B) python3 -m e2e.soak --time $(TIME) --seed $(SEED) --modes $(MODES)

lint:
	@.ci/deps install lint
	@tests/lint/run.sh '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(TEST_CFLAGS)'

lib: $(B)/lib/libcowgc.a

# The same objects as in the programs; nothing that they export lacks the prefix gc_.
$(B)/lib/libcowgc.a: $(call objects,$(call part_src,gc))
	@mkdir -p $(@D)
	$(call tell,AR)
	@rm -f $@
	$(quiet)$(AR) rcs $@ $^

LIB_VERSION = $(shell sed -n 's/.*COWSHED_VERSION "\(.*\)"/\1/p' server/shared/version.h)

install-lib: lib
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,include/cowgc lib/pkgconfig share/man/man3 \
		share/doc/cowgc/example)
	install -m 644 $(B)/lib/libcowgc.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 gc/gc.h $(DESTDIR)$(PREFIX)/include/cowgc
	sed 's,@PREFIX@,$(PREFIX),; s,@VERSION@,$(LIB_VERSION),' gc/cowgc.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/cowgc.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/cowgc.pc
	install -m 644 gc/cowgc.3 $(DESTDIR)$(PREFIX)/share/man/man3
	for f in $$(sed -n 's/^\.Nm \(gc_[a-z_]*\).*/\1/p' gc/cowgc.3); do \
		ln -sf cowgc.3 $(DESTDIR)$(PREFIX)/share/man/man3/$$f.3; done
	install -m 644 gc/README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/cowgc
	install -m 644 gc/example/share.c $(DESTDIR)$(PREFIX)/share/doc/cowgc/example

install: all install-lib
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/cowshed/conf \
		$(DESTDIR)$(PREFIX)/share/doc/cowshed
	install -m 755 $(addprefix $(B)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard conf/*.conf) $(DESTDIR)$(PREFIX)/share/cowshed/conf
	cp -R www $(DESTDIR)$(PREFIX)/share/cowshed
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for f in cowshed.service cowshed.socket; do \
		sed 's,/usr/local,$(PREFIX),' conf/$$f >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$f && \
		chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$$f || exit 1; done
	install -m 644 README.md LICENSE loadtest/results.schema.json $(DESTDIR)$(PREFIX)/share/doc/cowshed

# build/deps stays: getting it again needs the network.
clean:
	find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2>/dev/null || true
