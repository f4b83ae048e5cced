# SPDX-License-Identifier: BSD-2-Clause
# Fuzzing with clang's libFuzzer. Included by the Makefile, whose names it uses.

FUZZ_B       := build/fuzz
FUZZ_TARGETS := pci blk_config ring ring_varied device boot
FUZZ_JOBS    ?= 2
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CFLAGS  := $(COMMON) -O1 $(FUZZ_SANITIZE) -fsanitize=fuzzer-no-link -Iarch/host/include
# The drivers' loads are announced: a device may change memory right before any of them.
FUZZ_LOADS   := -fsanitize-coverage=trace-loads
fuzz_object   = $(patsubst %,$(FUZZ_B)/obj/%.o,$(basename $(1)))
FUZZ_FAKES   := $(addprefix tests/fuzz/,fuzz_platform.c fuzz_virtio.c fuzz_loads.c fuzz_io.c)
FUZZ_OBJS    := $(call fuzz_object,$(LIB_SRCS) $(FUZZ_FAKES))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(FUZZ_B)/fuzz_%)

$(FUZZ_B)/obj/drivers/%.o: FUZZ_CFLAGS += $(FUZZ_LOADS)
# The fuzzer of boot/ has that code inside, for there a physical address is a pointer.
$(FUZZ_B)/obj/tests/fuzz/fuzz_boot.o: FUZZ_CFLAGS += -Iarch/$(ARCH)/include -Wno-undef
$(FUZZ_B)/obj/%.o: %.c
	$(SAY) FUZZCC $<
	$(Q)mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -c -o $@ $<

$(FUZZ_B)/fuzz_boot: $(call fuzz_object,$(addprefix boot/kernel/,option_words.c mmio_places.c acpi_madt.c acpi_dmar.c))
$(FUZZ_B)/fuzz_%: $(FUZZ_B)/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJS)
	$(SAY) FUZZLD $@
	$(Q)clang $(FUZZ_SANITIZE) -fsanitize=fuzzer -o $@ $^

$(FUZZ_OBJS) $(FUZZ_TARGETS:%=$(FUZZ_B)/obj/tests/fuzz/fuzz_%.o): | deps

run_fuzzers = printf '%s\n' $(1) | xargs -P $(FUZZ_JOBS) -I@ sh tests/fuzz/run.sh $(FUZZ_B) @ $(2)

.PHONY: fuzz
fuzz: T ?= 60
fuzz: $(FUZZ_PROGRAMS) ## fuzz each target, or TARGET=ring, for T=60 seconds, FUZZ_JOBS=2 at a time
	$(Q)$(call run_fuzzers,$(or $(TARGET),$(FUZZ_TARGETS)),$(T))

# Every seed and every input that once found something, nothing random: the same answer each time.
.PHONY: fuzz-replay
fuzz-replay: $(FUZZ_PROGRAMS) ## run the fuzzers' committed inputs
	$(Q)for t in $(FUZZ_TARGETS); do \
	  $(FUZZ_B)/fuzz_$$t tests/fuzz/corpus/$$t/* >$(FUZZ_B)/replay.log 2>&1 || \
	    { tail -n 30 $(FUZZ_B)/replay.log >&2; echo "fuzz_$$t fails on an input of tests/fuzz/corpus/$$t" >&2; exit 1; }; \
	  printf '  REPLAY   %s: %s inputs\n' $$t $$(ls tests/fuzz/corpus/$$t | wc -l); done

# Thirty seconds of each: a minute and a half on two processors.
.PHONY: fuzz-smoke
fuzz-smoke: $(FUZZ_PROGRAMS) ## thirty seconds of each fuzzer
	$(Q)$(call run_fuzzers,$(FUZZ_TARGETS),30)

-include $(shell find $(FUZZ_B)/obj -name '*.d' 2>/dev/null)
