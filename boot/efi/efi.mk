# SPDX-License-Identifier: BSD-2-Clause
# The EFI driver, its option ROM, and the boot loader. Included by the Makefile, whose names it uses.

EFI_B      := $(B)/efi
EFI_SRCS   := $(LIB_SRCS) $(sort $(wildcard boot/efi/*.c))
EFI_OBJS   := $(patsubst %.c,$(EFI_B)/obj/%.o,$(EFI_SRCS))
EFI_DRIVER := $(B)/vstordxe.efi
EFI_ROM    := $(B)/vstor.rom
# The loader is the driver and what it boots by; it starts elsewhere.
EFI_LOADER_OWN  := $(sort $(wildcard boot/efi/loader/*.c)) $(LOADER_SRCS)
EFI_HANDOVER    := $(sort $(wildcard arch/$(ARCH)/handover*.c arch/$(ARCH)/handover*.S))
EFI_LOADER_OBJS := $(patsubst %,$(EFI_B)/obj/%.o,$(basename $(filter-out boot/efi/entry.c,$(EFI_SRCS)) $(EFI_LOADER_OWN) \
                     $(EFI_HANDOVER)))
EFI_LOADER      := $(B)/vstor.efi
GNU_EFI    := /usr/include/efi

# Loaded anywhere, so the code is independent of its place; firmware calls by its own convention. Headers are gnu-efi's
# and the compiler's alone.
EFI_ONLY   := -fpie -fvisibility=hidden -fshort-wchar -DGNU_EFI_USE_MS_ABI -mgeneral-regs-only \
              -nostdinc -isystem $(GNU_EFI) -isystem $(GNU_EFI)/$(ARCH) \
              -isystem $(shell $(CC) -print-file-name=include)
EFI_CFLAGS := $(COMMON) $(filter-out -fno-pic -fno-pie,$(BARE)) $(EFI_ONLY)
HOT_EFI_SRCS := boot/efi/transfer.c boot/efi/block_io.c boot/efi/platform_dma.c
# The loader's own files see newlib's headers as well.
efi_cflags_for = $(EFI_CFLAGS) $(if $(filter $(EFI_LOADER_OWN),$(1)),-isystem $(B)/newlib/include) $(if $(filter $(HOT_SRCS) $(HOT_EFI_SRCS),$(1)),-O2 $(UNALIGNED),$(SMALL))

$(EFI_B)/how-built: FORCE
	$(call remember,$(CC) $(EFI_CFLAGS) $(HOT_SRCS) $(HOT_EFI_SRCS) $(UNALIGNED) $(SMALL) $(EFI_SRCS) $(EFI_LOADER_OWN))

$(EFI_B)/obj/%.o: %.c $(EFI_B)/how-built | deps-build
	$(SAY) EFICC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(call efi_cflags_for,$<) -c -o $@ $<

$(EFI_B)/obj/%.o: %.S $(EFI_B)/how-built | deps-build
	$(SAY) EFIAS $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) -c -o $@ $<

$(EFI_LOADER_OBJS): | $(NEWLIB)

EFI_LDFLAGS := -pie --no-dynamic-linker -nostdlib -Bsymbolic --gc-sections --fatal-warnings --no-warn-rwx-segments \
               -z noexecstack -z norelro --build-id=none --no-undefined
link_efi = $(LD) $(EFI_LDFLAGS) -Map=$@.map -T linker/efi.ld -o $@ $(1)
EFI_SECTIONS := $(addprefix -j ,.text .reloc .data .dynamic .rela)

$(EFI_B)/vstordxe.debug: $(EFI_OBJS) $(EFI_B)/how-built linker/efi.ld
	$(SAY) LD $@
	$(Q)$(call link_efi,$(filter %.o,$^))

$(EFI_DRIVER): $(EFI_B)/vstordxe.debug linker/check_efi.py
	$(SAY) PE $@
	$(Q)$(OBJCOPY) --strip-all $(EFI_SECTIONS) --target=efi-bsdrv-$(ARCH) $< $@
	$(Q)$(PYTHON) linker/check_efi.py driver $@

$(EFI_B)/vstor.debug: $(EFI_LOADER_OBJS) $(EFI_B)/how-built linker/efi.ld
	$(SAY) LD $@
	$(Q)$(call link_efi,$(filter %.o,$^))

$(EFI_LOADER): $(EFI_B)/vstor.debug linker/check_efi.py
	$(SAY) PE $@
	$(Q)$(OBJCOPY) --strip-all $(EFI_SECTIONS) --target=efi-app-$(ARCH) $< $@
	$(Q)$(PYTHON) linker/check_efi.py loader $@

$(EFI_ROM): $(EFI_DRIVER) boot/efi/make_rom.py
	$(SAY) ROM $@
	$(Q)$(PYTHON) -B boot/efi/make_rom.py $< $@

.PHONY: efi
efi: $(EFI_DRIVER) $(EFI_ROM) $(EFI_LOADER) ## build the EFI programs: the driver vstordxe.efi, its option ROM vstor.rom, the boot loader vstor.efi

-include $(shell find $(EFI_B)/obj -name '*.d' 2>/dev/null)

# The tests' program, started by firmware in the place of an operating system.
EFI_TEST_OBJS := $(patsubst %.c,$(EFI_B)/obj/%.o,$(sort $(wildcard tests/efi/*.c)) \
                   boot/efi/image.c boot/efi/memory.c arch/common/format.c)
EFI_TEST := $(EFI_B)/tests.efi

$(EFI_B)/tests.debug: $(EFI_TEST_OBJS) $(EFI_B)/how-built linker/efi.ld
	$(SAY) LD $@
	$(Q)$(call link_efi,$(filter %.o,$^))

$(EFI_TEST): $(EFI_B)/tests.debug
	$(SAY) PE $@
	$(Q)$(OBJCOPY) --strip-all $(EFI_SECTIONS) --target=efi-app-$(ARCH) $< $@
