# SPDX-License-Identifier: BSD-2-Clause
# The library as an embedder gets it, and putting it in place. Included by the Makefile, whose names it uses.

VERSION := 0.1
HEADERS := $(sort $(wildcard include/vstor/*.h))

# ---------------------------------------------------------------- the archive
# One object, so that what our own objects share becomes local and clashes with nothing of an embedder's; its sections
# stay one for each function, so that --gc-sections leaves what is not used as if they were many.
EMBED := $(B)/embed

# The functions that the public headers speak of: all that is followed by a parenthesis.
$(EMBED)/names: $(HEADERS) $(B)/how-built
	$(Q)mkdir -p $(@D)
	$(Q)$(TARGET_CC) -E -P -ffreestanding -Iinclude $(addprefix -include ,$(HEADERS)) -x c /dev/null | grep -oE '\<vst_[a-z0-9_]+ *\(' \
	  | tr -d ' (' | sort -u >$@

$(EMBED)/vstor.o: $(LIB_OBJS) $(EMBED)/names linker/install.mk
	$(SAY) LD $@
	$(Q)$(LD) -r --unique='.text.*' --unique='.rodata.*' --unique='.data.*' --unique='.bss.*' -o $@ $(filter %.o,$^)
	$(Q)$(OBJCOPY) --keep-global-symbols=$(EMBED)/names $@

$(EMBED_LIB): $(EMBED)/vstor.o
	$(SAY) AR $@
	$(Q)rm -f $@ && $(AR) rcs $@ $<

.PHONY: check-archive
check-archive: $(EMBED_LIB) ## fail if the archive exports, needs or keeps what it should not
	$(Q)$(PYTHON) -B tests/check_archive.py $(EMBED_LIB) $(HEADERS)

# ---------------------------------------------------------------- what is put where
LIBDIR      = $(PREFIX)/lib
INCLUDEDIR  = $(PREFIX)/include
PROGRAMDIR  = $(LIBDIR)/vstor
PROGRAMS   := $(if $(KERNEL_ARCH),$(KERNEL) $(KERNEL_PVH)) $(B)/vstordxe.efi $(B)/vstor.rom $(B)/vstor.efi
# All that install makes, and uninstall takes away again.
INSTALLED   = $(LIBDIR)/libvstor.a $(LIBDIR)/pkgconfig/vstor.pc $(patsubst include/%,$(INCLUDEDIR)/%,$(HEADERS)) \
              $(addprefix $(PROGRAMDIR)/,$(notdir $(PROGRAMS)))
# As written into vstor.pc: below its prefix, so that pkg-config can move all of it.
PC_VALUES   = -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|'

.PHONY: install uninstall
install: $(EMBED_LIB) $(PROGRAMS) ## install library, headers, vstor.pc and programs below PREFIX=, inside DESTDIR= if given
	$(Q)install -d $(sort $(addprefix $(DESTDIR),$(dir $(INSTALLED))))
	$(Q)install -m 644 $(EMBED_LIB) $(DESTDIR)$(LIBDIR)
	$(Q)install -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)/vstor
	$(Q)install -m 644 $(PROGRAMS) $(DESTDIR)$(PROGRAMDIR)
	$(Q)sed $(PC_VALUES) linker/vstor.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/vstor.pc
	$(Q)chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/vstor.pc

uninstall: ## take away what install has put there
	$(Q)rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	$(Q)rmdir $(DESTDIR)$(INCLUDEDIR)/vstor $(DESTDIR)$(PROGRAMDIR) 2>/dev/null || true

# ---------------------------------------------------------------- the reference
.PHONY: docs
docs: | deps ## the API reference, by doxygen, into build/docs
	$(Q)rm -rf build/docs && mkdir -p build
	$(Q)doxygen tests/docs/Doxyfile
	$(SAY) DOCS build/docs/index.html
