# Every way in. `make help` says what each target does; packages.txt holds what
# has to be installed, and `make setup` installs it.
#
# Variables: BUILD=release|asan|tsan|coverage, CROSS=aarch64 (build for that, and
# test in an emulator of it), SYSROOT, WERROR=1 (warnings are errors), V=1 (show
# commands), ONLY=part of a test's path, FUZZ_SECONDS, PREFIX, DESTDIR, PROGRAM
# (what it is called where it is installed), CC, CXX, CFLAGS, CXXFLAGS, CPPFLAGS,
# LDFLAGS.

FOLDERS := core onnx engine prune quant detect eval search app

BUILD ?= release
# For another machine: with Debian's compilers for it, and libraries that
# tools/sysroot unpacks. With a SYSROOT given, those in it; an empty one: those
# that are installed here.
OUT := build/$(BUILD)$(CROSS:%=-%)
ifneq ($(CROSS),)
CC := $(CROSS)-linux-gnu-gcc
CXX := $(CROSS)-linux-gnu-g++
AR := $(CROSS)-linux-gnu-ar
ifeq ($(origin SYSROOT),undefined)
SYSROOT := $(CURDIR)/build/sysroot/$(CROSS)
UNPACKED := build/sysroot/$(CROSS)/.made
endif
endif
PREFIX ?= /usr/local
PROGRAM ?= compress
FUZZ_SECONDS ?= 60
# Debian's own: the one that sees python3-onnx.
PYTHON ?= /usr/bin/python3

# --- flags -------------------------------------------------------------------

MODE_release := -O3 -g -fstack-protector-strong \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
MODE_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
MODE_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
MODE_coverage := -O0 -g --coverage
MODE_fuzz := $(MODE_asan) -fsanitize=fuzzer-no-link
MODE := $(or $(MODE_$(BUILD)),$(error BUILD=$(BUILD): unknown)) \
	$(SYSROOT:%=--sysroot=%)

WARN := -Wall -Wextra -Wshadow $(if $(WERROR),-Werror)
COMMON := -iquote . $(MODE) $(WARN) -fPIE -ffunction-sections -fdata-sections \
	-pthread -MMD -MP
C_FLAGS := -std=c11 -D_GNU_SOURCE $(COMMON) -Wconversion -Wstrict-prototypes
CXX_FLAGS := -std=c++17 $(COMMON) -DONNX_ML=1 -DONNX_NAMESPACE=onnx
# What some files need besides: set with their rules.
OWN :=
COMPILE_C = $(CC) $(C_FLAGS) $(OWN) $(CPPFLAGS) $(CFLAGS)
COMPILE_CXX = $(CXX) $(CXX_FLAGS) $(OWN) $(CPPFLAGS) $(CXXFLAGS)
LINK = $(CXX) $(MODE) -pie -pthread -Wl,--gc-sections -Wl,--as-needed \
	-Wl,-z,relro,-z,now $(LDFLAGS)
LIBS := -lonnx -lonnx_proto -lprotobuf -ljansson -lyajl -lyaml -lisal -lnettle -lm
LINK_SHARED = $(CXX) $(MODE) -shared -Wl,--as-needed -Wl,-z,relro $(LDFLAGS)
OPENCV_FLAGS := -fPIC -fvisibility=hidden -isystem $(SYSROOT)/usr/include/opencv4
OPENCV_LIBS := -lopencv_imgcodecs -lopencv_imgproc -lopencv_core -ljpeg -lexif
VIDEO_LIBS := -lopencv_videoio -lopencv_imgproc -lopencv_core
WINDOW_LIBS := -lopencv_highgui -lopencv_core

# --- files -------------------------------------------------------------------

objects = $(patsubst %,$(OUT)/%.o,$(basename $(1)))
# OpenCV's shims are shared objects of their own: see detect/opencv_shim.h.
OPENCV_SOURCES := detect/opencv_shim.cpp detect/jpeg.c
VIDEO_SOURCES := detect/video_shim.cpp
WINDOW_SOURCES := detect/window_shim.cpp
SHIM_SOURCES := $(OPENCV_SOURCES) $(VIDEO_SOURCES) $(WINDOW_SOURCES)
SOURCES := $(filter-out $(SHIM_SOURCES), \
	$(wildcard $(FOLDERS:%=%/*.c) $(FOLDERS:%=%/*_shim.cpp)))
MAIN := $(call objects,app/main.c)
OBJECTS := $(filter-out $(MAIN),$(call objects,$(SOURCES)))
SUPPORT := $(call objects,$(wildcard tests/support/*.c))
TESTS := $(patsubst %.c,$(OUT)/%,$(wildcard $(FOLDERS:%=tests/%/test_*.c)))
# The program, with a switch that makes allocations fail.
FAILING := $(OUT)/compress-failing
# For tests in an emulator: see tests/emulated.
EMULATED := $(CROSS:%=$(OUT)/emulated-exec.so)
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/%,$(wildcard tests/fuzz/fuzz_*.c))
LIB := $(OUT)/libcompress.a
BINARY := $(OUT)/compress
OPENCV := $(OUT)/compress-opencv.so
VIDEO := $(OUT)/compress-video.so
WINDOW := $(OUT)/compress-window.so
SHIMS := $(OPENCV) $(VIDEO) $(WINDOW)
SHIM_OBJECTS := $(call objects,$(SHIM_SOURCES))
MODELS := $(OUT)/models/.made

# One short line for a command, or the command itself with V=1.
run = @$(if $(V),set -x,printf '  %-5s%s\n' '$(1)' '$(@:$(OUT)/%=%)'); $(2)

# Sub-makes use every core unless the caller asked for a number of jobs.
SUBMAKE = $(MAKE) --no-print-directory \
	$(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# --- targets -----------------------------------------------------------------

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
# `make completions` makes files of a folder of that name.
.PHONY: all setup demo test bench bench-engine bench-eval bench-camera \
	bench-neon install \
	uninstall install-built deb cross completions lint format asan tsan fuzz \
	clean help test-build fuzz-build FORCE

all: $(BINARY) $(SHIMS) ## Build build/release/compress; nothing is installed or fetched.

setup: ## Install the Debian packages that building, testing, linting need.
	tools/setup build test dev

demo: ## Install what is missing, build, and compress the sample detector.
	tools/setup build
	+$(SUBMAKE) BUILD=release all
	tools/demo

test: ## Install what is missing, build, and run every test.
	tools/setup build test $(CROSS:%=cross)
	+$(SUBMAKE) test-build
	tests/run $(OUT) $(ONLY)

bench: ## Measure speed and memory against other tools (tests/bench).
	tools/setup build test
	+$(SUBMAKE) BUILD=release all
	tests/bench/run

bench-engine: ## Measure the inference engine beside ONNX Runtime.
	tools/setup build test
	+$(SUBMAKE) BUILD=release all
	tests/bench/engine

bench-eval: ## Measure the evaluation beside numpy and beside inference.
	tools/setup build test
	+$(SUBMAKE) BUILD=release all
	tests/bench/eval
	tests/bench/eval_models

bench-camera: ## Measure compress camera beside pure inference.
	tools/setup build test
	+$(SUBMAKE) BUILD=release all
	tests/bench/camera

bench-neon: ## Tell what the inner loops for NEON can do at most (llvm-mca).
	tools/setup cross
	+$(SUBMAKE) BUILD=release CROSS=aarch64 all
	tests/bench/vector_loops

install: all ## Install program, manual, completions, samples (PREFIX, DESTDIR).
	+@$(MAKE) --no-print-directory install-built

uninstall: ## Remove what install put there (PREFIX, DESTDIR).
	rm -f $(BIN)/$(PROGRAM) $(MAN)/$(PROGRAM).1
	rm -f $(BASH_COMPLETIONS)/$(PROGRAM) $(ZSH_COMPLETIONS)/_$(PROGRAM)
	rm -rf $(SHIM_FOLDER) $(DATA)

deb: ## Build the Debian package compress-yolo into build/deb (tools/deb).
	tools/setup build deb
	tools/deb

cross: ## Build for aarch64 on this machine: make CROSS=aarch64.
	tools/setup cross
	+$(SUBMAKE) CROSS=aarch64 all

completions: all ## Write completions/ anew, after an option has changed.
	tools/completions $(BINARY)

lint: ## Check format, include directions and the ban list (tools/lint).
	tools/setup dev
	tools/lint

format: ## Apply .clang-format to every C and C++ file.
	tools/setup dev
	tools/lint --list | xargs clang-format -i

asan: ## Run tests under the address and undefined-behaviour sanitizers.
	+$(SUBMAKE) BUILD=asan test

tsan: ## Run tests under the thread sanitizer.
	+$(SUBMAKE) BUILD=tsan test

fuzz: ## Fuzz each harness of tests/fuzz for FUZZ_SECONDS (60), and count.
	tools/setup build test dev
	+$(SUBMAKE) BUILD=fuzz CC=clang CXX=clang++ fuzz-build
	tools/fuzz build/fuzz $(FUZZ_SECONDS)

clean: ## Remove build/ but for what was fetched for the tests.
	rm -rf $(filter-out build/ort,$(wildcard build/*))

help: ## Print this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

# --- installing --------------------------------------------------------------

PLACE := $(DESTDIR)$(PREFIX)
BIN := $(PLACE)/bin
MAN := $(PLACE)/share/man/man1
DATA := $(PLACE)/share/$(PROGRAM)
BASH_COMPLETIONS := $(PLACE)/share/bash-completion/completions
ZSH_COMPLETIONS ?= $(PLACE)/share/zsh/site-functions
# The program looks for it there, whatever it is called: detect/opencv.c.
SHIM_FOLDER := $(PLACE)/lib/compress

# The manual goes by the name of the program.
install-built:
	install -D -m 755 $(BINARY) $(BIN)/$(PROGRAM)
	install -D -m 755 -t $(SHIM_FOLDER) $(SHIMS)
	install -d $(MAN) $(DATA)
	sed 's/^\.Nm compress$$/.Nm $(PROGRAM)/; s/^\(\.Dt\) .* 1$$/\1 \U$(PROGRAM)\E 1/' \
		docs/compress.1 > $(MAN)/$(PROGRAM).1
	chmod 644 $(MAN)/$(PROGRAM).1
	install -D -m 644 completions/compress.bash $(BASH_COMPLETIONS)/$(PROGRAM)
	install -D -m 644 completions/_compress $(ZSH_COMPLETIONS)/_$(PROGRAM)
	for file in $(INSTALLED_DATA); do \
		install -D -m 644 $$file $(DATA)/$$file || exit; \
	done

# The sample detector, its images and annotations; configurations.
INSTALLED_DATA = $(shell find samples/README.md samples/shapes8n.onnx \
	samples/data $(wildcard configs) -type f)

# --- rules -------------------------------------------------------------------

test-build: all $(TESTS) $(FAILING) $(EMULATED) $(MODELS)
fuzz-build: $(FUZZERS) $(MODELS)

$(BINARY): $(MAIN) $(LIB)
	$(call run,LINK,$(LINK) -o $@ $^ $(LIBS))

$(OPENCV): $(call objects,$(OPENCV_SOURCES))
	$(call run,LINK,$(LINK_SHARED) -o $@ $^ $(OPENCV_LIBS))

$(VIDEO): $(call objects,$(VIDEO_SOURCES))
	$(call run,LINK,$(LINK_SHARED) -o $@ $^ $(VIDEO_LIBS))

$(WINDOW): $(call objects,$(WINDOW_SOURCES))
	$(call run,LINK,$(LINK_SHARED) -o $@ $^ $(WINDOW_LIBS))

$(SHIM_OBJECTS): private OWN = $(OPENCV_FLAGS)

$(LIB): $(OBJECTS)
	@rm -f $@
	$(call run,AR,$(AR) rcs $@ $^)

$(TESTS): %: %.o $(SUPPORT) $(LIB)
	$(call run,LINK,$(LINK) -o $@ $^ -lcmocka $(LIBS) -ldl)

$(FAILING): $(MAIN) $(call objects,tests/cli/failing.c) $(LIB)
	$(call run,LINK,$(LINK) -o $@ $^ $(LIBS))

$(EMULATED): $(call objects,tests/emulated/exec.c)
	$(call run,LINK,$(LINK_SHARED) -o $@ $^)

$(call objects,tests/emulated/exec.c): private OWN = -fPIC

$(FUZZERS): $(OUT)/%: $(OUT)/tests/fuzz/%.o $(LIB)
	$(call run,LINK,$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS))

# The loops for vector units, all unrolled.
VECTOR_LOOPS := $(call objects,$(filter-out %_plain.c, \
	$(wildcard engine/simd_*.c engine/bf16_*.c engine/fp16_*.c)))
# The thread sanitizer looks up each vector byte by byte: a frame takes ten
# times as long. Who works on what is up to the callers, and the same loops in
# plain C, which tests of kernels run as well, are checked.
ifeq ($(BUILD),tsan)
$(VECTOR_LOOPS): private OWN = -fno-sanitize=thread
endif
# The address sanitizer looks up every access; what is undefined besides, the same
# loops in plain C tell. Half the time of its tests would be spent here.
ifeq ($(BUILD),asan)
$(VECTOR_LOOPS): private OWN = -O2 -fno-sanitize=undefined
endif
# With the sanitizers' branches clang optimizes one of them for many minutes.
ifeq ($(BUILD),fuzz)
$(VECTOR_LOOPS): private OWN = -O0
endif

$(OUT)/%.o: %.c $(OUT)/flags | $(OUT)/headers
	@mkdir -p $(@D)
	$(call run,CC,$(COMPILE_C) -c -o $@ $<)

$(OUT)/%.o: %.cpp $(OUT)/flags | $(OUT)/headers
	@mkdir -p $(@D)
	$(call run,CXX,$(COMPILE_CXX) -c -o $@ $<)

# The page that `compress camera --http` shows stands inside the program.
$(OUT)/app/camera_http.o: app/camera_page.html

# SCHEMA(operator, domain, version) for each that libonnx's headers declare.
SCHEMAS := $(OUT)/onnx/schemas.inc
$(SCHEMAS): $(OUT)/flags | $(OUT)/headers
	@mkdir -p $(@D)
	@printf '#include <onnx/defs/operator_sets%s.h>\n' '' _ml > $@.cpp
	$(call run,MAKE,$(COMPILE_CXX) -MF /dev/null -E $@.cpp | \
		sed -En 's/^class (.*)_(Onnx|OnnxML)_ver([0-9]+);$$/SCHEMA(\1, \2, \3)/p' \
		| sort -u > $@)
	@rm $@.cpp && test -s $@

$(OUT)/onnx/checker_shim.o: $(SCHEMAS)
$(OUT)/onnx/checker_shim.o: private OWN = -iquote $(OUT)

# Other flags, other objects: this file changes when the command lines do.
$(OUT)/flags: FORCE
	@mkdir -p $(@D)
	@new=$@.$$$$; echo '$(COMPILE_C) $(COMPILE_CXX)' > $$new; \
	cmp -s $$new $@ && rm $$new || mv $$new $@

SETUP := $(if $(CROSS),cross,setup)
# Tried once, so that a missing package is one sentence and not fifty errors.
$(OUT)/headers: packages.txt $(UNPACKED)
	@mkdir -p $(@D)
	@printf '#include <%s>\n' onnx/onnx_pb.h jansson.h isa-l.h \
		yajl/yajl_parse.h yaml.h cstdio jpeglib.h libexif/exif-data.h \
		opencv2/imgcodecs.hpp opencv2/imgproc.hpp \
		opencv2/videoio.hpp opencv2/highgui.hpp microhttpd.h > $@.cpp
	@$(COMPILE_CXX) $(OPENCV_FLAGS) -fsyntax-only -MF /dev/null $@.cpp \
		2> $@.log || { \
		cat $@.log; echo 'compiler or libraries missing: try `make $(SETUP)`'; \
		exit 1; } >&2
	@rm $@.cpp && mv $@.log $@

# What a build for another machine needs, once; see tools/sysroot.
$(UNPACKED): packages.txt tools/sysroot
	tools/setup cross
	tools/sysroot $(CROSS)

$(MODELS): $(wildcard tests/models/*.py)
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call run,MAKE,$(PYTHON) -B tests/models/make_models.py $(@D))
	@touch $@

-include $(patsubst %.o,%.d,$(OBJECTS) $(SHIM_OBJECTS) $(MAIN) $(SUPPORT) \
	$(TESTS:=.o) $(call objects,tests/cli/failing.c tests/emulated/exec.c) \
	$(FUZZERS:$(OUT)/%=$(OUT)/tests/fuzz/%.o))
