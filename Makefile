# SPDX-License-Identifier: BSD-2-Clause
# vstor: one Makefile, no recursion. `make help` lists what it can do.

ARCH   ?= x86_64
B      ?= build/$(ARCH)
HOST_B ?= build/host
PREFIX ?= /usr/local
ifeq ($(origin CC),default)
CC := gcc
endif
AR      := ar
OBJCOPY := objcopy
PYTHON  := /usr/bin/python3
Q       := $(if $(V),,@)
SAY      = $(if $(V),@:,@printf '  %-8s %s\n')

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

# ---------------------------------------------------------------- what there is
LIB_SRCS    := $(sort $(wildcard arch/common/*.c pci/*.c drivers/*.c block/*.c))
KERNEL_SRCS := $(sort $(wildcard arch/$(ARCH)/*.c arch/$(ARCH)/*.S boot/kernel/*.c boot/shell/*.c))
UNIT_TESTS  := $(sort $(wildcard tests/unit/test_*.c))
UNIT_FAKES  := $(sort $(wildcard tests/unit/fake_*.c))
SHELL_SRCS  := $(sort $(wildcard boot/shell/*.c))

object       = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))
host_object  = $(patsubst %,$(HOST_B)/obj/%.o,$(basename $(1)))
LIB_OBJS    := $(call object,$(LIB_SRCS))
KERNEL_OBJS := $(call object,$(KERNEL_SRCS))

LIB        := $(B)/libvstor.a
KERNEL     := $(B)/vstor.elf
KERNEL_PVH := $(B)/vstor-pvh.elf
NEWLIB     := $(B)/newlib/libc.a
HOST_LIB   := $(HOST_B)/libvstor.a

# ---------------------------------------------------------------- how it is compiled
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wwrite-strings -Wcast-qual -Wpointer-arith \
            -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wimplicit-fallthrough
INCLUDES := -Iinclude -I.
COMMON   := -std=gnu11 -g $(WARNINGS) $(INCLUDES) -MMD -MP
# No red zone: the code lives under interrupts. No vector registers in the library: firmware need not save them.
BARE     := -ffreestanding -fno-pic -fno-pie -mno-red-zone -fno-stack-protector -fcf-protection=none \
            -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -fno-common -Iarch/$(ARCH)/include
LIB_CFLAGS    := $(COMMON) $(BARE) -O2 -Wconversion -Wno-sign-conversion -mgeneral-regs-only -fvisibility=hidden
KERNEL_CFLAGS := $(COMMON) $(BARE) -Os -isystem $(B)/newlib/include -isystem $(B)/bearssl
SANITIZE      := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST_CFLAGS   := $(COMMON) -O1 $(SANITIZE) -Iarch/host/include

.PHONY: all
all: $(LIB) $(KERNEL) $(KERNEL_PVH) $(B)/compile_commands.json ## build every artefact of ARCH

$(B)/obj/%.o: %.c
	$(SAY) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(if $(filter boot/% arch/$(ARCH)/%,$<),$(KERNEL_CFLAGS),$(LIB_CFLAGS)) -c -o $@ $<

$(B)/obj/%.o: %.S
	$(SAY) AS $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(INCLUDES) $(BARE) -g -MMD -MP -c -o $@ $<

# Programs see newlib's headers and BearSSL's, so these come first.
$(KERNEL_OBJS): | $(NEWLIB) $(B)/bearssl/bearssl.h

$(LIB): $(LIB_OBJS)
	$(SAY) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# ---------------------------------------------------------------- packages
include tests/deps.mk

# ---------------------------------------------------------------- tests
$(HOST_B)/obj/%.o: %.c
	$(SAY) HOSTCC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -c -o $@ $<

$(HOST_LIB): $(call host_object,$(LIB_SRCS) $(SHELL_SRCS) $(UNIT_FAKES))
	$(SAY) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(HOST_B)/unit/%: $(HOST_B)/obj/tests/unit/%.o $(HOST_LIB)
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ -lcmocka -lbearssl

UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(HOST_B)/unit/%,$(UNIT_TESTS))
$(call host_object,$(UNIT_TESTS) $(SHELL_SRCS)): | deps
.SECONDARY:

.PHONY: unit
unit: $(UNIT_PROGRAMS) ## unit tests on this machine, under ASan and UBSan
	$(Q)for t in $^; do $$t || exit 1; done

.PHONY: check-layers
check-layers: ## fail on an include that points up or sideways
	$(Q)$(PYTHON) tests/check_layers.py

.PHONY: clean
clean: ## remove everything built
	$(Q)rm -rf build

.PHONY: help
help: ## this text
	@echo "Usage: make [TARGET] [ARCH=x86_64] [CC=gcc|clang] [V=1]"; echo
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | sort | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

-include $(shell find $(B)/obj $(HOST_B)/obj -name '*.d' 2>/dev/null)
