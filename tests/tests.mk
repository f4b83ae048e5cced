# SPDX-License-Identifier: BSD-2-Clause
# Running, testing and measuring. Included by the Makefile, whose names it uses.

PYTEST     := $(PYTHON) -B -m pytest -c tests/pytest.ini --rootdir tests
ICNT       := $(HOST_B)/libicnt.so
RING_OBJS   = $(call object,$(wildcard drivers/virtq*.c drivers/virtio_device.c))
BLK_OBJS    = $(call object,$(wildcard drivers/virtio_blk*.c)) $(RING_OBJS)
SCSI_OBJS   = $(call object,$(wildcard drivers/virtio_scsi*.c)) $(RING_OBJS)
SCSI_ROOTS  = scsi_submit,vst_virtio_scsi_submit_part,scsi_kick,scsi_poll
# Guests mostly wait for their console or for QEMU's I/O thread: a few more than there are processors pay.
TEST_JOBS ?= $(shell n=$$(nproc); echo $$((n + 1 > 6 ? 6 : n + 1)))

$(ICNT): tests/icount/icnt.c tests/icount/plugin_api.h | deps
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -shared -fPIC -o $@ $<

# ---------------------------------------------------------------- the library on the host against QEMU's device models
QTEST_PROGRAMS := $(patsubst %,$(HOST_B)/qtest/%,traffic errors resets interrupts scsi)
QTEST_COMMON   := $(filter-out tests/qtest/traffic.c tests/qtest/errors.c tests/qtest/resets.c tests/qtest/interrupts.c \
                    tests/qtest/scsi.c,\
                  $(sort $(wildcard tests/qtest/*.c)))

$(HOST_B)/qtest/%: $(HOST_B)/obj/tests/qtest/%.o $(call host_object,$(QTEST_COMMON) $(LIB_SRCS))
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^

.PHONY: qtest
qtest: $(QTEST_PROGRAMS) | deps ## the library under sanitizers against QEMU's device models; ARGS='-k packed'
	$(Q)$(PYTEST) -n $(TEST_JOBS) tests/qtest $(ARGS)

# The file systems on the host, under sanitizers, on images that others' tools have made.
FILES_TREE := $(HOST_B)/files/tree
$(FILES_TREE): $(HOST_B)/obj/tests/files/tree.o $(HOST_LIB)
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ -lbearssl

.PHONY: files-test
files-test: $(FILES_TREE) | deps ## whole trees of FAT and ISO 9660 images, as read here and as their makers' tools say; ARGS='-k joliet'
	$(Q)$(PYTEST) -n $(TEST_JOBS) tests/files $(ARGS)

# The driver in several threads: no lock in the path of a request, so ThreadSanitizer is the judge.
THREADS_SRCS = $(LIB_SRCS) $(addprefix tests/unit/fake_,virtio_blk.c virtio_scsi.c scsi_disk.c msix.c platform.c machine.c)
THREADS      = $(addprefix $(HOST_B)/tsan/,recovery scsi)
$(HOST_B)/tsan/%: tests/threads/%.c $(THREADS_SRCS) $(HOST_B)/how-built | deps
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(COMMON) -MF $@.d -O1 -fsanitize=thread $(if $(findstring clang,$(CC)),,-Wno-tsan) -Iarch/host/include \
	  -o $@ $< $(THREADS_SRCS) -lpthread

.PHONY: threads
threads: $(THREADS) ## recovery with four CPUs on four queues, of disks and of a SCSI adapter, under ThreadSanitizer
	$(Q)for t in $(THREADS); do $$t || exit 1; done

# Another guest to check ours against. Fetched, not installed.
LINUX_GUEST := build/linux/vmlinuz
$(LINUX_GUEST): tests/linux/fetch.sh | deps
	$(Q)sh $< $(@D)

# Other people's kernels to be started by ours. Fetched, not installed.
FOREIGN := build/foreign/fetched
$(FOREIGN): tests/foreign/fetch.sh | deps
	$(Q)sh $< $(@D)

# Another model of the SCSI adapter. Its sources are fetched; where they can't be, there is a reason instead of a server.
VHOST_USER_SCSI := build/vhost-user-scsi/server
$(VHOST_USER_SCSI): $(wildcard tests/vhost_user_scsi/*.* tests/vhost_user_scsi/qemu/*) tests/fetch-source.sh | deps
	$(Q)sh tests/vhost_user_scsi/build.sh $(@D)

.PHONY: vhost-user-scsi
vhost-user-scsi: $(VHOST_USER_SCSI) ## build the server of tests/qemu/test_vhost_user_scsi.py, out of QEMU's sources

# Programs for the tests of programs: our own, and one of Debian's.
TEST_APPS := $(patsubst tests/apps/%.c,$(B)/apps/%.elf,$(wildcard tests/apps/*.c))
$(B)/apps/%.elf: tests/apps/%.c $(SDK_FILES)
	$(SAY) APP $@
	$(Q)mkdir -p $(@D)
	$(Q)CC='$(CC)' $(VSTOR_CC) -O2 -Wall -Wextra -Werror -o $@ $<
	$(Q)$(PYTHON) linker/check_image.py --any-size $@

# The same for the machine that builds: static, so that they run in a Linux guest, too.
HOST_APPS := $(patsubst tests/apps/%.c,$(HOST_B)/apps/%,$(wildcard tests/apps/*.c))
$(HOST_B)/apps/%: tests/apps/%.c | deps
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $< -lm

BZIP2_APP := $(B)/bzip2/bzip2.elf
$(BZIP2_APP): tests/apps/bzip2.sh tests/fetch-source.sh $(SDK_FILES) | deps
	$(Q)sh $< $(VSTOR_CC) $(@D)

.PHONY: apps
apps: $(TEST_APPS) $(HOST_APPS) $(BZIP2_APP) ## the programs of tests/qemu/test_apps.py, one of them Debian's bzip2

RUN_DISK = $(if $(DISK),--disk '$(DISK)') $(if $(FORMAT),--format $(FORMAT)) $(if $(WRITE),--write)

.PHONY: run
run: $(KERNEL) | deps ## boot the kernel on demonstration disks, or on DISK=path [FORMAT=qcow2] [WRITE=1]
	$(Q)$(PYTHON) -B tests/demo/run.py $(RUN_DISK)

.PHONY: run-efi
run-efi: $(KERNEL) $(EFI_LOADER) $(LINUX_GUEST) | deps ## the boot loader under UEFI firmware: Debian's kernel from its menu, or what is on DISK=path
	$(Q)$(PYTHON) -B tests/demo/run_efi.py $(RUN_DISK)

.PHONY: check-hot
check-hot: $(BLK_OBJS) $(SCSI_OBJS) ## fail on an indirect call in the drivers' path of a request
	$(Q)$(PYTHON) -B tests/check_hot.py $(BLK_OBJS)
	$(Q)$(PYTHON) -B tests/check_hot.py --roots $(SCSI_ROOTS) $(SCSI_OBJS)

.PHONY: check
check: all $(EFI_TEST) $(TEST_APPS) $(HOST_APPS) $(ICNT) $(QTEST_PROGRAMS) $(FILES_TREE) check-layers check-hot check-archive unit | deps ## the fast tests: layers, hot path, archive, unit, a few guests
	$(Q)$(PYTEST) -m smoke -n $(TEST_JOBS)

.PHONY: test
test: all $(EFI_TEST) apps $(ICNT) $(QTEST_PROGRAMS) $(FILES_TREE) check-layers check-hot check-archive unit threads model fuzz-smoke $(LINUX_GUEST) $(FOREIGN) $(VHOST_USER_SCSI) | deps ## every test
	$(Q)$(PYTEST) -n $(TEST_JOBS)

.PHONY: qemu-test
qemu-test: all $(EFI_TEST) apps $(ICNT) $(LINUX_GUEST) $(FOREIGN) $(VHOST_USER_SCSI) | deps ## tests with QEMU only; ARGS='-k bridges -x' goes to pytest
	$(Q)$(PYTEST) -n $(TEST_JOBS) tests/qemu $(ARGS)

.PHONY: matrix
matrix: all | deps ## every row of tests/qemu/matrix*.txt on a guest, or ARGS='transport=window', ARGS='size=8T block=4096'
	$(Q)$(PYTHON) -B tests/qemu/matrix.py $(ARGS)

.PHONY: bench
bench: all $(ICNT) | deps ## instructions, kicks, interrupts per read, IOPS: build/bench/report.md, plots; ARGS=--quick
	$(Q)$(PYTHON) -B tests/bench/bench.py $(ARGS)

# Reads files in a Linux guest: without a C library, so that it is small and all of it is the loop.
READ_LOOP := $(HOST_B)/read_loop
$(READ_LOOP): tests/bench/read_loop.c | deps
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -ffreestanding -fno-stack-protector -nostdlib -static -o $@ $<

.PHONY: bench-cache
bench-cache: all $(ICNT) $(READ_LOOP) $(LINUX_GUEST) | deps ## what reading through the block cache costs, beside Linux's and beside none
	$(Q)$(PYTHON) -B tests/bench/bench_cache.py $(ARGS)

# What fio needs of Debian, unpacked for the Linux guest. Fetched, not installed.
LINUX_FIO := build/linux-fio/fetched
$(LINUX_FIO): tests/linux/fetch_fio.sh | deps
	$(Q)sh $< $(@D)

# Marks for Linux to execute: no library, nothing that needs one.
$(HOST_B)/mark: tests/bench/mark.c | deps
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Wall -Wextra -O2 -static -nostdlib -fno-pic -no-pie -fno-stack-protector \
	  -fno-asynchronous-unwind-tables -o $@ $<

.PHONY: bench-linux
bench-linux: all $(ICNT) $(HOST_B)/mark $(LINUX_GUEST) $(LINUX_FIO) | deps ## the same by fio in a Linux guest, in turns: ratios in the same report; 15 minutes
	$(Q)$(PYTHON) -B tests/bench/bench_linux.py $(ARGS)

.PHONY: bench-scan
bench-scan: all $(ICNT) | deps ## what finding 1 to 256 SCSI units costs, beside what OVMF and SeaBIOS send; ARGS=--luns
	$(Q)$(PYTHON) -B tests/bench/scan.py $(ARGS)

# Small programs that have firmware read.
FIRMWARE_PROGRAMS := build/firmware/int13.bin build/firmware/readblocks.efi build/firmware/readfiles.efi
build/firmware/int13.bin: tests/bench/firmware/int13.S | deps
	$(SAY) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -c -o $@.o $<
	$(Q)$(LD) -m elf_i386 -Ttext 0x7c00 --oformat binary -o $@ $@.o

GNU_EFI := /usr/lib
build/firmware/%.efi: tests/bench/firmware/%.c boot/shell/marks.h | deps
	$(SAY) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -I/usr/include/efi -I/usr/include/efi/x86_64 -I. -O2 -Wall -Wextra -fpic -ffreestanding -fshort-wchar \
	  -fno-stack-protector -mno-red-zone -maccumulate-outgoing-args -DGNU_EFI_USE_MS_ABI -c -o $@.o $<
	$(Q)$(LD) -nostdlib -znocombreloc -shared -Bsymbolic -T $(GNU_EFI)/elf_x86_64_efi.lds -o $@.so \
	  $(GNU_EFI)/crt0-efi-x86_64.o $@.o -L$(GNU_EFI) -lefi -lgnuefi
	$(Q)$(OBJCOPY) -j .text -j .sdata -j .data -j .dynamic -j .dynsym -j .rel -j .rela -j '.rel.*' -j '.rela.*' \
	  -j .reloc --target efi-app-x86_64 --subsystem=10 $@.so $@

.PHONY: bench-firmware
bench-firmware: all $(ICNT) $(FIRMWARE_PROGRAMS) | deps ## what a read costs by OVMF's, SeaBIOS's and GRUB's readers; in the same report
	$(Q)$(PYTHON) -B tests/bench/bench_firmware.py $(ARGS)

.PHONY: bench-loader
bench-loader: all $(ICNT) $(FIRMWARE_PROGRAMS) | deps ## what vstor.efi needs to load 400 files and 512 MiB, beside the firmware's drivers; in the same report
	$(Q)$(PYTHON) -B tests/bench/bench_loader.py $(ARGS)

.PHONY: sct
sct: all | deps ## run tests of the UEFI Self-Certification Test on the EFI driver; SCT=its package, built elsewhere
	$(Q)$(PYTHON) -B tests/efi/sct.py $(if $(SCT),$(SCT),--help) $(ARGS)

# The library that ships, on the machine that builds: real barriers and registers, which here are memory.
BENCH_RING_CFLAGS = $(COMMON) -O2 -fno-pic -fno-pie -Iarch/$(ARCH)/include
$(HOST_B)/bench-ring: $(wildcard tests/bench/ring/*.[ch]) $(LIB) | deps
	$(SAY) HOSTLD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(BENCH_RING_CFLAGS) -MF $@.d -no-pie -o $@ $(filter %.c,$^) $(LIB)

.PHONY: bench-ring
bench-ring: $(HOST_B)/bench-ring ## instructions and cycles per request of the ring alone, without QEMU
	$(Q)$(PYTHON) -B tests/bench/bench_ring.py $< $(ARGS)

.PHONY: model
model: | deps ## check notification, wake-up and recovery exhaustively with spin, whole and with each link missing; ARGS=deep
	$(Q)sh tests/model/check.sh build/model $(ARGS)

# Unit tests alone, built by gcc with --coverage; what is not covered of drivers/, scsi/ and pci/ is listed.
COVERAGE_B := build/coverage
.PHONY: coverage
coverage: | deps ## what the unit tests cover: a summary, a list of what they miss, and HTML under build/
	$(Q)sh tests/coverage.sh $(COVERAGE_B)
	$(Q)$(PYTHON) -B tests/coverage.py $(COVERAGE_B)
