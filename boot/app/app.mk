# SPDX-License-Identifier: BSD-2-Clause
# Programs: C with main, stdio and files on newlib becomes an image that boots. Included by the Makefile.
#
# What programs are made of stands below $(B)/sdk as `make install` puts it below PREFIX; vstor-cc finds it from where it
# is itself, so both are used alike.

APP_SRCS := $(sort $(wildcard boot/app/*.c))
APP_OBJS := $(call object,$(APP_SRCS))
SDK      := $(B)/sdk
SDK_LIB  := $(SDK)/lib/vstor
VSTOR_CC := $(SDK)/bin/vstor-cc

# Of the kernel all but the shell and what only that wants.
APP_KERNEL_OBJS := $(filter-out $(addprefix $(B)/obj/boot/kernel/,main.o printf.o syscalls.o) $(B)/obj/boot/shell/%,$(KERNEL_OBJS))
# These objects' functions are for programs; of all others none is to be seen, so that a program may use any name.
APP_PUBLIC_OBJS := $(call object,$(addprefix boot/app/,posix.c times.c directory.c) boot/kernel/heap.c)

$(APP_OBJS): | $(NEWLIB)

# One object, whose functions a program's own go before.
$(SDK_LIB)/vstor-app.o: $(APP_OBJS) $(APP_KERNEL_OBJS) $(LIB) boot/app/app.mk
	$(SAY) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(LD) -r -z noexecstack -o $@.all $(APP_OBJS) $(APP_KERNEL_OBJS) --whole-archive $(LIB)
	$(Q){ nm --defined-only --extern-only $(APP_PUBLIC_OBJS) | sed -n 's/^[0-9a-f]* [A-Z] //p'; echo _start; echo __stack_chk_fail; } >$@.names
	$(Q)$(OBJCOPY) --keep-global-symbols=$@.names --weaken-symbols=$@.names $@.all $@
	$(Q)rm $@.all $@.names

SDK_FILES := $(SDK_LIB)/vstor-app.o $(SDK_LIB)/libc.a $(SDK_LIB)/libm.a $(SDK_LIB)/app.ld $(SDK_LIB)/include/stdio.h \
             $(SDK_LIB)/app-include/fcntl.h $(VSTOR_CC)

$(SDK_LIB)/lib%.a: $(B)/newlib/lib%.a
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

$(SDK_LIB)/app.ld: $(LINKER_SCRIPT)
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

$(SDK_LIB)/include/stdio.h: $(NEWLIB)
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)cp -r $(B)/newlib/include/. $(@D)
	$(Q)touch $@

$(SDK_LIB)/app-include/fcntl.h: $(shell find boot/app/include -type f)
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)cp -r boot/app/include/. $(@D)
	$(Q)touch $@

$(VSTOR_CC): boot/app/vstor-cc.sh
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@ && chmod +x $@

.PHONY: sdk
sdk: $(SDK_FILES)

# Part of `make install` and `make uninstall`.
.PHONY: install-sdk uninstall-sdk
install: install-sdk
install-sdk: $(SDK_FILES)
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/vstor
	$(Q)install -m 755 $(VSTOR_CC) $(DESTDIR)$(PREFIX)/bin
	$(Q)cp -r $(SDK_LIB)/. $(DESTDIR)$(PREFIX)/lib/vstor

uninstall: uninstall-sdk
uninstall-sdk:
	$(Q)rm -f $(DESTDIR)$(PREFIX)/bin/vstor-cc
	$(Q)rm -rf $(addprefix $(DESTDIR)$(PREFIX)/lib/vstor/,vstor-app.o libc.a libm.a app.ld include app-include)

# APP: C files and folders of such; the program is called like the first of them.
APP_FILES = $(foreach f,$(APP),$(if $(wildcard $f/.),$(wildcard $f/*.c),$f))
APP_NAME  = $(basename $(notdir $(patsubst %/,%,$(firstword $(APP)))))
APP_IMAGE = $(B)/apps/$(APP_NAME).elf

.PHONY: app
app: $(SDK_FILES) ## make a C program boot: APP='a.c b.c folder' [APP_CFLAGS='-O2 -DX'] gives build/ARCH/apps/a.elf
	$(Q)$(if $(APP),,echo 'say which program: make app APP=path.c' >&2; exit 2)
	$(Q)mkdir -p $(dir $(APP_IMAGE))
	$(SAY) APP $(APP_IMAGE)
	$(Q)CC='$(CC)' $(VSTOR_CC) $(or $(APP_CFLAGS),-O2) -o $(APP_IMAGE) $(APP_FILES)
	$(Q)$(PYTHON) linker/check_image.py --any-size $(APP_IMAGE)
