# SPDX-License-Identifier: BSD-2-Clause
# The EFI driver, its option ROM, and the boot loader. Included by the Makefile, whose names it uses.

EFI_B      := $(B)/efi
EFI_SRCS   := $(LIB_SRCS) $(sort $(wildcard boot/efi/*.c))
EFI_OBJS   := $(patsubst %.c,$(EFI_B)/obj/%.o,$(EFI_SRCS))
EFI_DRIVER := $(B)/vstordxe.efi
EFI_ROM    := $(B)/vstor.rom
# The loader is the driver and what it boots by; it starts elsewhere.
EFI_LOADER_OWN  := $(sort $(wildcard boot/efi/loader/*.c)) $(LOADER_SRCS) boot/kernel/printf.c
EFI_ARCH        := $(sort $(wildcard $(addprefix arch/$(ARCH)/,handover*.c handover*.S stack_guard.c)))
EFI_LOADER_OBJS := $(patsubst %,$(EFI_B)/obj/%.o,$(basename $(filter-out boot/efi/entry.c,$(EFI_SRCS)) $(EFI_LOADER_OWN) \
                     $(EFI_ARCH) $(SHELL_SRCS)))
EFI_LOADER      := $(B)/vstor.efi
GNU_EFI    := /usr/include/efi

# Loaded anywhere, so the code is independent of its place. Headers are gnu-efi's and the compiler's alone.
EFI_ONLY   := -fpie -fvisibility=hidden -fshort-wchar -mgeneral-regs-only -isystem $(GNU_EFI) $(ARCH_EFI)
EFI_CFLAGS := $(COMMON) $(filter-out -fno-pic -fno-pie,$(BARE)) $(EFI_ONLY)
HOT_EFI_SRCS := boot/efi/transfer.c boot/efi/block_io.c boot/efi/platform_dma.c boot/efi/packed/inflate.c
# The cache serves the loader alone, and there what is looked up, not what is read.
EFI_HOT      := $(filter-out block/cache%,$(HOT_SRCS)) $(HOT_EFI_SRCS)
# The loader's own files see newlib's headers as well; the shell, a program on newlib, nothing of the firmware.
EFI_SHELL_CFLAGS := $(COMMON) $(filter-out -fno-pic -fno-pie,$(BARE)) -fpie -fvisibility=hidden \
                    -isystem $(EFI_B)/newlib/include -isystem $(B)/bearssl
COMPILERS_OWN := -nostdinc -isystem $(shell $(TARGET_CC) -print-file-name=include)
efi_cflags_for = $(if $(filter boot/shell/%,$(1)),$(EFI_SHELL_CFLAGS),$(EFI_CFLAGS)) \
                 $(if $(filter tests/%,$(1)),-Itests/efi/$(ARCH)) $(if $(filter $(EFI_LOADER_OWN),$(1)),-isystem $(EFI_B)/newlib/include) $(COMPILERS_OWN) \
                 $(if $(filter $(EFI_HOT),$(1)),-O2 $(UNALIGNED),$(SMALL))

$(EFI_B)/how-built: FORCE
	$(call remember,$(TARGET_CC) $(EFI_CFLAGS) $(EFI_SHELL_CFLAGS) $(EFI_HOT) $(UNALIGNED) $(SMALL) $(EFI_SRCS) $(EFI_LOADER_OWN) $(SHELL_SRCS))

$(EFI_B)/obj/%.o: %.c $(EFI_B)/how-built | deps-build
	$(SAY) EFICC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(call efi_cflags_for,$<) -c -o $@ $<

$(EFI_B)/obj/%.o: %.S $(EFI_B)/how-built | deps-build
	$(SAY) EFIAS $<
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) $(EFI_CFLAGS) $(COMPILERS_OWN) -c -o $@ $<

# newlib for the loader's console: independent of its place. Formatting and malloc, the larger part of it, are not from
# there (boot/kernel/printf.c, boot/efi/loader/heap.c).
EFI_NEWLIB := $(EFI_B)/newlib/libc.a
$(EFI_NEWLIB): | deps-build
	$(call build_newlib,$(EFI_B)/newlib,--enable-lite-exit --disable-newlib-fvwrite-in-streamio,-fpie -fvisibility=hidden)
	$(call newlib_folder,$(EFI_B)/newlib)
	$(Q)$(call newlib_library,$(EFI_B)/newlib,$@)
	$(Q)rm -rf $(EFI_B)/newlib-build

$(filter-out $(EFI_OBJS),$(EFI_LOADER_OBJS)): | $(EFI_NEWLIB) $(B)/bearssl/bearssl.h

EFI_LDFLAGS := -pie --no-dynamic-linker -nostdlib -Bsymbolic --gc-sections --fatal-warnings --no-warn-rwx-segments \
               -z noexecstack -z norelro --build-id=none --no-undefined
link_efi = $(LD) $(EFI_LDFLAGS) -Map=$@.map -T linker/efi.ld -o $@ $(1)
EFI_SECTIONS := $(addprefix -j ,.text .reloc .data .sdmagic .dynamic .rela)

$(EFI_B)/vstordxe.debug: $(EFI_OBJS) $(EFI_B)/how-built linker/efi.ld
	$(SAY) LD $@
	$(Q)$(call link_efi,$(filter %.o,$^))

$(EFI_DRIVER): $(EFI_B)/vstordxe.debug linker/check_efi.py
	$(SAY) PE $@
	$(Q)$(OBJCOPY) --strip-all $(EFI_SECTIONS) --target=efi-bsdrv-$(ARCH) $< $@
	$(Q)$(PYTHON) linker/check_efi.py driver $@

$(EFI_B)/vstor.debug: $(EFI_LOADER_OBJS) $(EFI_NEWLIB) $(EFI_B)/how-built linker/efi.ld $(if $(TOOLS),| $(BEARSSL))
	$(SAY) LD $@
	$(Q)$(call link_efi,$(filter %.o,$^) $(EFI_NEWLIB) $(BEARSSL))

# It goes into an image that expands it: as it is it would be too large.
EFI_PACKED_OBJS := $(addprefix $(EFI_B)/obj/boot/efi/,packed/start.o packed/inflate.o memory.o)

$(EFI_B)/vstor.packed: $(EFI_B)/vstor.debug linker/pack_efi.py
	$(SAY) PACK $@
	$(Q)$(PYTHON) linker/pack_efi.py $< $@

$(EFI_B)/packed.o: boot/efi/packed/image.S $(EFI_B)/vstor.packed
	$(Q)$(TARGET_CC) -c -DPACKED_IMAGE='"$(EFI_B)/vstor.packed"' -o $@ $<

$(EFI_B)/vstor-packed.debug: $(EFI_PACKED_OBJS) $(EFI_B)/packed.o linker/efi.ld
	$(SAY) LD $@
	$(Q)$(call link_efi,$(filter %.o,$^))

$(EFI_LOADER): $(EFI_B)/vstor-packed.debug linker/check_efi.py
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
