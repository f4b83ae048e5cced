# SPDX-License-Identifier: BSD-2-Clause
# What the build and the tests need from Debian, and why. `make deps` installs what is missing.

# A compiler for another machine than this one, and what its tests need.
DEPS_ARCH  := $(if $(TOOLS),$(ARCH_DEPS))
DEPS_BUILD := $(DEPS_ARCH) gcc:compiler binutils:linker xz-utils:unpacks-newlib newlib-source:C-library-of-the-kernel \
              libbearssl-dev:SHA-256-of-the-shell gnu-efi:headers-of-the-EFI-driver python3:checks-of-images-and-tests libc6-dev:programs-of-the-tests
DEPS_RUN   := qemu-system-x86:the-machine qemu-utils:disk-images qemu-block-extra:iSCSI-disks
DEPS_TEST  := python3-pytest:tests python3-pytest-xdist:tests-in-parallel python3-pytest-timeout:tests-end \
              python3-numpy:checks-of-disk-contents libcmocka-dev:unit-tests clang:second-compiler \
              ovmf:UEFI-firmware grub-common:boot-media grub-pc-bin:BIOS-boot grub-efi-amd64-bin:UEFI-boot grub-efi-amd64-signed:GRUB-behind-shim shim-signed:what-starts-GRUB systemd-boot-efi:another-boot-loader \
              xorriso:boot-media genisoimage:ISO-images mtools:FAT-images dosfstools:FAT-images gdisk:GPT-images \
              fdisk:partition-tables parted:partition-tables \
              libclang-rt-14-dev:fuzzers-and-sanitizers-of-clang zlib1g-dev:judge-of-a-fuzzer llvm:coverage-of-fuzzers spin:model-checker \
              tgt:iSCSI-targets libiscsi-dev:server-of-vhost-user-scsi libglib2.0-dev:server-of-vhost-user-scsi \
              pkg-config:what-embedders-ask g++:headers-as-C++ \
              memtest86+:a-kernel-that-is-not-ours zstd:unpacks-Linux lz4:unpacks-Linux swtpm:TPM-of-the-EFI-tests sbsigntool:signs-for-Secure-Boot openssl:keys-for-Secure-Boot \
              tesseract-ocr:reads-screens tesseract-ocr-eng:reads-screens doxygen:API-reference gcovr:coverage-report valgrind:counts-instructions cpio:initramfs-of-the-Linux-guest \
              gnuplot-nox:plots-of-make-bench
DEPS       := $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)

.PHONY: deps deps-build
deps: ## install what is missing, through apt
	$(Q)sh tests/install-missing.sh $(DEPS)

# Who only builds need not have the tests' packages.
deps-build:
	$(Q)sh tests/install-missing.sh $(DEPS_BUILD)
