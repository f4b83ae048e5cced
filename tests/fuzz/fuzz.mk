# SPDX-License-Identifier: BSD-2-Clause
# Fuzzing with clang's libFuzzer. Included by the Makefile, whose names it uses.

FUZZ_B       := build/fuzz
FUZZ_TARGETS := pci blk_config ring ring_varied device boot boot_image boot_entry partitions fat iso9660 $(addprefix efi_,inflate platform loader entries) $(addprefix scsi_,sense inquiry vpd luns capacity mode others hba event)
FUZZ_JOBS    ?= $(shell nproc)
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZ_CFLAGS   = $(COMMON) -O1 $(FUZZ_SANITIZE) $(FUZZ_GUIDE) -Iarch/host/include
# What libFuzzer is led by: the code under test and the targets, not the model of the device, which runs far more often.
FUZZ_GUIDE    = -fsanitize=fuzzer-no-link
# The drivers' loads are announced: a device may change memory right before any of them.
FUZZ_LOADS   := -fsanitize-coverage=trace-loads
fuzz_object   = $(patsubst %,$(FUZZ_B)/obj/%.o,$(basename $(1)))
FUZZ_MODEL   := $(addprefix tests/fuzz/,fuzz_platform.c fuzz_virtio.c fuzz_fronts.c fuzz_rings.c fuzz_loads.c fuzz_kind_blk.c fuzz_kind_scsi.c)
FUZZ_FAKES   := $(FUZZ_MODEL) tests/fuzz/fuzz_io.c tests/fuzz/fuzz_zones.c tests/fuzz/fuzz_hba.c tests/fuzz/fuzz_files.c
FUZZ_OBJS    := $(call fuzz_object,$(LIB_SRCS) $(FUZZ_FAKES))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(FUZZ_B)/fuzz_%)

$(FUZZ_B)/obj/drivers/%.o: FUZZ_CFLAGS += $(FUZZ_LOADS)
$(call fuzz_object,$(FUZZ_MODEL)): FUZZ_GUIDE =
# The fuzzer of boot/ has that code inside, for there a physical address is a pointer.
$(FUZZ_B)/obj/tests/fuzz/fuzz_boot.o: FUZZ_CFLAGS += -Iarch/$(ARCH)/include -Wno-undef
$(FUZZ_B)/obj/%.o: %.c
	$(SAY) FUZZCC $<
	$(Q)mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -c -o $@ $<

FUZZ_BOOT_SRCS := $(addprefix boot/kernel/,option_words.c mmio_places.c acpi_madt.c acpi_dmar.c acpi_hotplug.c)
$(FUZZ_B)/fuzz_boot: $(call fuzz_object,$(FUZZ_BOOT_SRCS))
$(FUZZ_B)/fuzz_boot_image $(FUZZ_B)/fuzz_boot_entry: $(call fuzz_object,$(LOADER_SRCS))
# What runs on the firmware, with the compiler's headers of that.
FUZZ_EFI     := -fshort-wchar -DGNU_EFI_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/$(ARCH)
FUZZ_EFI_SRCS := $(addprefix boot/efi/loader/,arguments.c device_path.c pool.c trust.c utf16.c variables.c) boot/shell/words.c
FUZZ_ENTRY_SRCS := $(addprefix boot/efi/loader/,entries.c entry_count.c entry_files.c)
FUZZ_EFI_TARGETS := $(addprefix $(FUZZ_B)/fuzz_efi_,loader entries)
$(FUZZ_B)/obj/boot/efi/%.o $(FUZZ_B)/obj/tests/fuzz/fuzz_efi_%.o: FUZZ_CFLAGS += -Iarch/$(ARCH)/include $(FUZZ_EFI)
$(FUZZ_B)/fuzz_efi_entries: $(call fuzz_object,$(FUZZ_ENTRY_SRCS))
$(FUZZ_EFI_TARGETS): $(call fuzz_object,tests/fuzz/fuzz_efi_firmware.c $(FUZZ_EFI_SRCS) $(LOADER_SRCS))
$(FUZZ_B)/fuzz_efi_inflate: FUZZ_LIBS := -lz
$(FUZZ_B)/fuzz_%: $(FUZZ_B)/obj/tests/fuzz/fuzz_%.o $(FUZZ_OBJS)
	$(SAY) FUZZLD $@
	$(Q)clang $(FUZZ_SANITIZE) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)

$(FUZZ_OBJS) $(FUZZ_TARGETS:%=$(FUZZ_B)/obj/tests/fuzz/fuzz_%.o): | deps

FUZZ_CHOSEN = $(or $(TARGET),$(FUZZ_TARGETS))
# $(1) targets, $(2) seconds, $(3) folder of kept inputs, if any. A finding of one does not stop the others.
run_fuzzers = printf '%s\n' $(1) | xargs -P $(FUZZ_JOBS) -I@ sh tests/fuzz/run.sh $(FUZZ_B) @ $(2) $(3:%=%/@); \
  status=$$?; sh tests/fuzz/summary.sh $(FUZZ_B) $(1); exit $$status

.PHONY: fuzz
fuzz: T ?= 60
fuzz: $(FUZZ_PROGRAMS) ## fuzz each target, or TARGET='ring pci', for T=60 seconds, FUZZ_JOBS=2 at a time, going on where the last run ended
	$(Q)$(call run_fuzzers,$(FUZZ_CHOSEN),$(T),$(FUZZ_B)/corpus)

# Every seed and every input that once found something, nothing random: the same answer each time.
.PHONY: fuzz-replay
fuzz-replay: $(FUZZ_PROGRAMS) ## run the fuzzers' committed inputs
	$(Q)for t in $(FUZZ_TARGETS); do \
	  $(FUZZ_B)/fuzz_$$t tests/fuzz/corpus/$$t/* >$(FUZZ_B)/replay.log 2>&1 || \
	    { tail -n 30 $(FUZZ_B)/replay.log >&2; echo "fuzz_$$t fails on an input of tests/fuzz/corpus/$$t" >&2; exit 1; }; \
	  printf '  REPLAY   %s: %s inputs\n' $$t $$(ls tests/fuzz/corpus/$$t | wc -l); done

# From the committed inputs and with the same dice each time, so that a red run is mostly the fault of what has changed.
# Half a minute of what hears devices; parsers of what lies on disks or comes from firmware do as much in seconds. Four
# minutes on two processors.
FUZZ_DEVICES := pci blk_config ring ring_varied device $(filter scsi_%,$(FUZZ_TARGETS))
.PHONY: fuzz-smoke
fuzz-smoke: $(FUZZ_PROGRAMS) ## half a minute of each fuzzer of devices, five seconds of each other, from the committed inputs
	$(Q)export FUZZ_SEED=1; $(call run_fuzzers,$(FUZZ_DEVICES),30)
	$(Q)export FUZZ_SEED=1; $(call run_fuzzers,$(filter-out $(FUZZ_DEVICES),$(FUZZ_TARGETS)),5)

# What the fuzzers have found by now becomes what they start from.
.PHONY: fuzz-merge
fuzz-merge: $(FUZZ_PROGRAMS) ## reduce committed and kept inputs to the fewest that reach as much, as tests/fuzz/corpus
	$(Q)for t in $(FUZZ_CHOSEN); do sh tests/fuzz/merge.sh $(FUZZ_B) $$t || exit 1; done

# ---------------------------------------------------------------- what they reach
FUZZ_COV_B   := build/fuzz-coverage
FUZZ_COV_CFLAGS := $(COMMON) -O1 -fprofile-instr-generate -fcoverage-mapping -Iarch/host/include
cov_object    = $(patsubst %,$(FUZZ_COV_B)/obj/%.o,$(basename $(1)))
FUZZ_COV_OBJS := $(call cov_object,$(LIB_SRCS) $(FUZZ_FAKES) tests/fuzz/fuzz_replay.c)

$(FUZZ_COV_B)/obj/drivers/%.o: FUZZ_COV_CFLAGS += $(FUZZ_LOADS)
$(FUZZ_COV_B)/obj/tests/fuzz/fuzz_boot.o: FUZZ_COV_CFLAGS += -Iarch/$(ARCH)/include -Wno-undef
$(FUZZ_COV_B)/obj/%.o: %.c
	$(SAY) COVCC $<
	$(Q)mkdir -p $(@D)
	$(Q)clang $(FUZZ_COV_CFLAGS) -c -o $@ $<
$(FUZZ_COV_B)/fuzz_boot: $(call cov_object,$(FUZZ_BOOT_SRCS))
$(FUZZ_COV_B)/fuzz_boot_image $(FUZZ_COV_B)/fuzz_boot_entry: $(call cov_object,$(LOADER_SRCS))
$(FUZZ_COV_B)/obj/boot/efi/%.o $(FUZZ_COV_B)/obj/tests/fuzz/fuzz_efi_%.o: FUZZ_COV_CFLAGS += -Iarch/$(ARCH)/include $(FUZZ_EFI)
$(FUZZ_COV_B)/fuzz_efi_entries: $(call cov_object,$(FUZZ_ENTRY_SRCS))
$(FUZZ_EFI_TARGETS:$(FUZZ_B)/%=$(FUZZ_COV_B)/%): $(call cov_object,tests/fuzz/fuzz_efi_firmware.c $(FUZZ_EFI_SRCS) $(LOADER_SRCS))
$(FUZZ_COV_B)/fuzz_efi_inflate: FUZZ_LIBS := -lz
$(FUZZ_COV_B)/fuzz_%: $(FUZZ_COV_B)/obj/tests/fuzz/fuzz_%.o $(FUZZ_COV_OBJS)
	$(SAY) COVLD $@
	$(Q)clang -fprofile-instr-generate -o $@ $^ $(FUZZ_LIBS)

$(FUZZ_COV_OBJS) $(FUZZ_TARGETS:%=$(FUZZ_COV_B)/obj/tests/fuzz/fuzz_%.o): | deps

.PHONY: fuzz-coverage
fuzz-coverage: $(FUZZ_TARGETS:%=$(FUZZ_COV_B)/fuzz_%) ## lines of drivers/, scsi/ and pci/ that the fuzzers' inputs reach, and those they don't
	$(Q)$(PYTHON) -B tests/fuzz/coverage.py $(FUZZ_COV_B) $(FUZZ_B)/corpus $(FUZZ_TARGETS)

-include $(shell find $(FUZZ_B)/obj $(FUZZ_COV_B)/obj -name '*.d' 2>/dev/null)
