# SPDX-License-Identifier: BSD-2-Clause
# vstor: one Makefile, no recursion. `make help` lists what it can do.

ARCH   ?= x86_64
B      ?= build/$(ARCH)
HOST_B ?= build/host
PREFIX ?= /usr/local
ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON  := /usr/bin/python3
Q       := $(if $(V),,@)
SAY      = $(if $(V),@:,@printf '  %-8s %s\n')

ifneq ($(words $(CURDIR)),1)
$(error make cannot work in a folder whose path has blanks: $(CURDIR))
endif
ifeq ($(wildcard arch/$(ARCH)/arch.mk),)
$(error there is no such machine: ARCH=$(ARCH); there is $(patsubst arch/%/arch.mk,%,$(wildcard arch/*/arch.mk)))
endif
include arch/$(ARCH)/arch.mk
# Compilers for a machine that is not the one that builds, by Debian's names; CC stays that for programs that run here.
TOOLS     := $(if $(filter $(ARCH),$(shell uname -m)),,$(ARCH)-linux-gnu-)
TARGET_CC := $(if $(TOOLS),$(if $(findstring clang,$(CC)),$(CC) --target=$(TOOLS:-=),$(TOOLS)$(CC)),$(CC))
LD        := $(TOOLS)ld
AR        := $(TOOLS)ar
OBJCOPY   := $(TOOLS)objcopy
# Not every machine has the kernel, and what goes with it: programs on top of it, its shell, the tests.
KERNEL_ARCH := $(if $(wildcard linker/kernel-$(ARCH).ld),$(ARCH))

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

# ---------------------------------------------------------------- what there is
LIB_SRCS    := $(sort $(wildcard arch/common/*.c pci/*.c drivers/*.c block/*.c scsi/*.c))
KERNEL_SRCS := $(if $(KERNEL_ARCH),$(sort $(wildcard arch/$(ARCH)/*.c arch/$(ARCH)/*.S boot/kernel/*.c boot/shell/*.c boot/loader/*.c)))
UNIT_TESTS  := $(sort $(wildcard tests/unit/test_*.c))
UNIT_FAKES  := $(sort $(wildcard tests/unit/fake_*.c))
SHELL_SRCS  := $(sort $(wildcard boot/shell/*.c))
LOADER_SRCS := $(sort $(wildcard boot/loader/*.c))

object       = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))
host_object  = $(patsubst %,$(HOST_B)/obj/%.o,$(basename $(1)))
LIB_OBJS    := $(call object,$(LIB_SRCS))
KERNEL_OBJS := $(call object,$(KERNEL_SRCS))

LIB        := $(B)/libvstor.a
EMBED_LIB  := $(B)/embed/libvstor.a
KERNEL     := $(B)/vstor.elf
KERNEL_PVH := $(B)/vstor-pvh.elf
NEWLIB     := $(B)/newlib/libc.a
BEARSSL    := $(if $(TOOLS),$(B)/packages)/usr/lib/$(ARCH)-linux-gnu/libbearssl.a
HOST_LIB   := $(HOST_B)/libvstor.a

# ---------------------------------------------------------------- how it is compiled
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wwrite-strings -Wcast-qual -Wpointer-arith \
            -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wimplicit-fallthrough
INCLUDES := -Iinclude -I.
COMMON   := -std=gnu11 -g $(WARNINGS) $(INCLUDES) -MMD -MP
# No vector registers in the library: firmware need not save them.
BARE     := -ffreestanding -fno-pic -fno-pie $(ARCH_BARE) -fno-stack-protector \
            -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -fno-common -Iarch/$(ARCH)/include
# clang's -Os is less about size than gcc's.
SMALL    := $(if $(findstring clang,$(CC)),-Oz,-Os)
LIB_CFLAGS    := $(COMMON) $(BARE) -Wconversion -Wno-sign-conversion -mgeneral-regs-only -fvisibility=hidden
# The kernel's headers are newlib's, BearSSL's and the compiler's own, never those of the machine that builds.
KERNEL_CFLAGS := $(COMMON) $(BARE) $(SMALL) -nostdinc -isystem $(B)/newlib/include -isystem $(B)/bearssl \
                 -isystem $(shell $(TARGET_CC) -print-file-name=include)
# Only the shell calculates with floating point; below it a trap must find the program's vector registers untouched.
NO_VECTORS    := -mgeneral-regs-only
SANITIZE      := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_CFLAGS   := $(COMMON) -O1 $(SANITIZE) -Iarch/host/include

# The path of a request is built for speed, all else for size; likewise the benchmark, which would count against it.
HOT_SRCS      := drivers/virtio_blk_io.c drivers/virtio_scsi_io.c scsi/disk_io.c block/block.c block/cache.c \
                 block/cache_lines.c block/cache_fill.c block/cache_miss.c block/cache_request.c block/latency.c
HOT_SHELL_SRCS := boot/shell/bench.c boot/shell/bench_cache.c
UNALIGNED     := $(if $(findstring clang,$(CC)),,-fno-align-functions -fno-align-loops -fno-align-jumps)
# Programs' headers come first: some add to newlib's of the same name.
APP_INCLUDES := -isystem boot/app/include
cflags_for = $(if $(filter boot/app/%,$(1)),$(APP_INCLUDES)) \
             $(if $(filter boot/shell/%,$(1)),$(KERNEL_CFLAGS) $(if $(filter $(HOT_SHELL_SRCS),$(1)),-O2 $(UNALIGNED)), \
             $(if $(filter boot/% arch/$(ARCH)/%,$(1)),$(KERNEL_CFLAGS) $(NO_VECTORS), \
             $(LIB_CFLAGS) $(if $(filter $(HOT_SRCS),$(1)),-O2 $(UNALIGNED),$(SMALL)) $(if $(filter block/cache%,$(1)),$(ARCH_COPYING))))

.PHONY: all
all: $(LIB) $(EMBED_LIB) $(if $(KERNEL_ARCH),$(KERNEL) $(KERNEL_PVH) sdk) $(B)/vstordxe.efi $(B)/vstor.rom $(B)/vstor.efi $(B)/compile_commands.json ## build every artefact of ARCH

# What is built depends on how: a changed compiler, flag or list of sources builds anew what it concerns.
.PHONY: FORCE
FORCE:
remember = @mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@
$(B)/how-built: FORCE
	$(call remember,$(TARGET_CC) $(LIB_CFLAGS) $(HOT_SRCS) $(UNALIGNED) $(ARCH_COPYING) $(HOT_SHELL_SRCS) $(KERNEL_CFLAGS) $(NO_VECTORS) $(LIB_SRCS) $(KERNEL_SRCS))
$(HOST_B)/how-built: FORCE
	$(call remember,$(CC) $(HOST_CFLAGS) $(LIB_SRCS) $(SHELL_SRCS) $(LOADER_SRCS) $(UNIT_FAKES))

$(B)/obj/%.o: %.c $(B)/how-built
	$(SAY) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(call cflags_for,$<) -c -o $@ $<

$(B)/obj/%.o: %.S $(B)/how-built
	$(SAY) AS $<
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(INCLUDES) $(BARE) -g -MMD -MP -c -o $@ $<

# Programs see newlib's headers and BearSSL's, so these come first.
$(KERNEL_OBJS): | $(NEWLIB) $(B)/bearssl/bearssl.h

$(LIB): $(LIB_OBJS) $(B)/how-built
	$(SAY) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# ---------------------------------------------------------------- the kernel
LINKER_SCRIPT := linker/kernel-$(ARCH).ld
LDFLAGS := -static -nostdlib --gc-sections --fatal-warnings --no-warn-rwx-segments -z max-page-size=0x1000 \
           -z noexecstack --build-id=none
link_kernel = $(LD) $(LDFLAGS) -Map=$@.map -T $(LINKER_SCRIPT) -o $@ $(1) --start-group $(LIB) $(NEWLIB) $(BEARSSL) --end-group

# The same objects twice: QEMU prefers a multiboot 1 header to a PVH note, so the second file has no such header.
$(B)/vstor.debug: $(KERNEL_OBJS) $(LIB) $(NEWLIB) $(LINKER_SCRIPT)
	$(SAY) LD $@
	$(Q)$(call link_kernel,$(KERNEL_OBJS))

$(B)/vstor-pvh.debug: $(KERNEL_OBJS) $(LIB) $(NEWLIB) $(LINKER_SCRIPT)
	$(SAY) LD $@
	$(Q)$(call link_kernel,$(filter-out %/multiboot1.o,$(KERNEL_OBJS)))

# What ships carries no symbols; gdb takes them from vstor.debug. No loader's rule may have been broken on the way.
$(B)/%.elf: $(B)/%.debug linker/check_image.py
	$(SAY) STRIP $@
	$(Q)$(OBJCOPY) --strip-all $< $@
	$(Q)$(PYTHON) linker/check_image.py $@

# newlib is a package of its own with its own make. Always gcc: it is not our code that clang should look at.
# System calls have their plain names, whatever the machine is used to.
NEWLIB_CFLAGS := -Os -ffunction-sections -fdata-sections -ffreestanding -fno-pic -fno-pie $(ARCH_BARE) \
                 -fno-stack-protector -fno-asynchronous-unwind-tables -w -DMISSING_SYSCALL_NAMES
NEWLIB_OPTIONS := --disable-multilib --disable-nls --disable-newlib-supplied-syscalls --disable-newlib-mb \
                  --disable-newlib-multithread --disable-newlib-wide-orient --enable-newlib-io-c99-formats \
                  --enable-newlib-io-long-long
NEWLIB_JOBS = $(if $(findstring j,$(filter-out --%,$(MAKEFLAGS))),,-j$(shell nproc))

LIBM         := $(B)/newlib/libm.a

# 1: where to; it is built beside that. 2: more options. 3: more flags.
define build_newlib
	@printf '  %-8s %s\n' NEWLIB '$@ (once; takes a minute)'
	$(Q)rm -rf $(1)-build && mkdir -p $(1)-build/source $(1)-build/build
	$(Q)tar -xf $$(ls /usr/src/newlib/newlib-*.tar.xz | tail -n 1) -C $(1)-build/source --strip-components=1
	+$(Q){ cd $(1)-build/build && \
	  ../source/newlib/configure --host=$(ARCH)-elf --target=$(ARCH)-elf --prefix=$(abspath $(1)-build)/installed \
	    $(NEWLIB_OPTIONS) $(2) CC=$(TOOLS)gcc AR=$(TOOLS)ar RANLIB=$(TOOLS)ranlib AS=$(TOOLS)as CFLAGS="$(NEWLIB_CFLAGS) $(3)" && \
	  $(MAKE) $(NEWLIB_JOBS) all && $(MAKE) install; } >$(1)-build/log 2>&1 || { tail -n 20 $(1)-build/log >&2; exit 1; }
endef
# 1: likewise. 2: the library, below $(1).
newlib_library = mv $(1)-build/installed/$(ARCH)-elf/lib/$(notdir $(2)) $(2) && touch $(2)
# 1: likewise. What else came with it.
define newlib_folder
	$(Q)rm -rf $(1) && mkdir -p $(1)
	$(Q)mv $(1)-build/installed/$(ARCH)-elf/include $(1)-build/log $(1)
endef

$(NEWLIB): | deps-build
	$(call build_newlib,$(B)/newlib)
	$(call newlib_folder,$(B)/newlib)
	$(Q)$(call newlib_library,$(B)/newlib,$(LIBM)) && $(call newlib_library,$(B)/newlib,$(NEWLIB))
	$(Q)rm -rf $(B)/newlib-build

# It comes with the other, but for build folders of a time when it was left out.
ifeq ($(wildcard $(NEWLIB)),)
$(LIBM): | $(NEWLIB)
else ifeq ($(wildcard $(LIBM)),)
$(LIBM): | deps-build
	$(call build_newlib,$(B)/newlib)
	$(Q)$(call newlib_library,$(B)/newlib,$@)
	$(Q)rm -rf $(B)/newlib-build
endif

# The package for this machine has no code for another one.
ifneq ($(TOOLS),)
$(BEARSSL): | deps-build
	$(Q)sh linker/fetch-foreign.sh $(ARCH_DEBIAN) $(B)/packages libbearssl-dev
endif

# /usr/include holds more than BearSSL, so the kernel sees a folder with BearSSL alone.
$(B)/bearssl/bearssl.h: | deps-build
	$(Q)mkdir -p $(@D)
	$(Q)for h in /usr/include/bearssl/bearssl*.h; do ln -sf $$h $(@D)/; done
	$(Q)test -e $@

ifneq ($(KERNEL_ARCH),)
include boot/app/app.mk
endif

# For editors and clang-tidy.
PROGRAM_SRCS := $(filter %.c,$(LIB_SRCS) $(KERNEL_SRCS) $(APP_SRCS))
# In parts, each short enough for a command line.
compile_commands = $(foreach s,$(1),echo '{"directory": "$(CURDIR)", "file": "$s", "output": "$(call object,$s)", \
  "command": "$(TARGET_CC) $(call cflags_for,$s) -c -o $(call object,$s) $s"}' | tr -d '\n'; echo;) :
$(B)/compile_commands.json: Makefile $(PROGRAM_SRCS)
	$(Q)mkdir -p $(@D)
	$(Q){ $(call compile_commands,$(wordlist 1,60,$(PROGRAM_SRCS))); } >$@.new
	$(Q){ $(call compile_commands,$(wordlist 61,120,$(PROGRAM_SRCS))); } >>$@.new
	$(Q){ $(call compile_commands,$(wordlist 121,180,$(PROGRAM_SRCS))); } >>$@.new
	$(Q){ $(call compile_commands,$(wordlist 181,240,$(PROGRAM_SRCS))); } >>$@.new
	$(Q){ $(call compile_commands,$(wordlist 241,300,$(PROGRAM_SRCS))); } >>$@.new
	$(Q)sed -e '1s/^/[/' -e '$$!s/$$/,/' -e '$$s/$$/]/' $@.new >$@ && rm $@.new

# ---------------------------------------------------------------- for embedders
include linker/install.mk

# ---------------------------------------------------------------- packages
include tests/deps.mk

# ---------------------------------------------------------------- tests
$(HOST_B)/obj/%.o: %.c $(HOST_B)/how-built
	$(SAY) HOSTCC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -c -o $@ $<

# The host has files of its own.
$(HOST_LIB): $(call host_object,$(LIB_SRCS) $(filter-out boot/shell/console_files.c,$(SHELL_SRCS)) $(LOADER_SRCS) $(UNIT_FAKES))
	$(SAY) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(HOST_B)/unit/%: $(HOST_B)/obj/tests/unit/%.o $(HOST_LIB)
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ -lcmocka -lbearssl

# What only that machine has.
$(HOST_B)/obj/tests/unit/test_handover.o: HOST_CFLAGS += -Iarch/x86_64/include
$(addprefix $(HOST_B)/obj/tests/unit/test_efi_,platform.o watch.o): HOST_CFLAGS += -Iarch/x86_64/include -fno-builtin -fshort-wchar -DGNU_EFI_USE_MS_ABI \
  -isystem /usr/include/efi -isystem /usr/include/efi/x86_64
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(HOST_B)/unit/%,$(UNIT_TESTS))
$(call host_object,$(UNIT_TESTS) $(SHELL_SRCS)): | deps
.SECONDARY:

.PHONY: unit
unit: $(UNIT_PROGRAMS) ## unit tests on this machine, under ASan and UBSan
	$(Q)for t in $^; do $$t || exit 1; done

.PHONY: check-layers
check-layers: ## fail on an include that points up or sideways
	$(Q)$(PYTHON) tests/check_layers.py

include boot/efi/efi.mk
ifneq ($(KERNEL_ARCH),)
include tests/tests.mk
include tests/fuzz/fuzz.mk
else
include tests/firmware.mk
endif

.PHONY: clean
clean: ## remove everything built
	$(Q)rm -rf build

.PHONY: help
help: ## this text
	@echo "Usage: make [TARGET] [ARCH=x86_64|aarch64] [CC=gcc|clang] [V=1]"; echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | sort | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

-include $(shell find $(B)/obj $(HOST_B)/obj -name '*.d' 2>/dev/null)
