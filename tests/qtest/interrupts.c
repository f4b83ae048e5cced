/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts of a real device model, seen from the bus: MSI-X messages as words that change in guest
 * memory, INTx as the I/O APIC's inputs. The driver polls; the test programs vectors and suppression
 * behind its back, so that the helpers are proven before a driver needs them.
 */
#include <stdio.h>
#include <string.h>

#include "drivers/virtio_pci.h"
#include "tests/qtest/disk.h"

#define VECTOR_DATA 0x41u
#define WAIT_NS     2000000000ull

static struct disk disk;
static struct virtio_pci_common_cfg *common;
static volatile uint32_t *word;
static uint64_t word_bus_addr;

/** Lets the device interrupt (2.7.7): split ring without EVENT_IDX; flags of the driver area. */
static void want_interrupts(bool wanted)
{
    mmio_le16_write(&common->queue_select, 0);
    uint64_t driver_area = mmio_le32_read(&common->queue_driver_low) |
                           (uint64_t)mmio_le32_read(&common->queue_driver_high) << 32;
    volatile uint16_t *flags = machine_pointer(driver_area);
    CHECK(strcmp(disk.device->ring_name, "split") == 0);
    *flags = wanted ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT;
}

static void one_read(void)
{
    CHECK_EQUAL(disk_transfer(&disk, VST_BLOCK_READ, 0, 8, NULL), VST_OK);
    CHECK(memcmp(disk.slots[0].buffer, disk.model, 8 * 512) == 0);
}

static uint64_t now(void)
{
    return disk.machine->platform.time_ns(disk.machine);
}

static bool word_becomes(uint32_t value)
{
    for (uint64_t start = now(); now() - start < WAIT_NS;)
        if (*word == value)
            return true;
    return false;
}

/** After a request has ended its interrupt may still be under way: any register read waits for it. */
static bool word_stays_zero(void)
{
    for (uint64_t start = now(); now() - start < 20000000;)
        mmio_u8_read(&common->device_status);
    return *word == 0;
}

static bool becomes_pending(const struct machine_msix *msix)
{
    for (uint64_t start = now(); now() - start < WAIT_NS;)
        if (machine_msix_pending(msix, 0))
            return true;
    return false;
}

static void unmasked(const struct machine_msix *msix)
{
    machine_msix_program(msix, 0, word_bus_addr, VECTOR_DATA);
    machine_msix_mask(msix, 0, false);
    machine_msix_control(msix, true, false);
    mmio_le16_write(&common->queue_select, 0);
    mmio_le16_write(&common->queue_msix_vector, 0);
    CHECK_EQUAL(mmio_le16_read(&common->queue_msix_vector), 0);
    one_read();
    CHECK(word_stays_zero()); /* the driver asked not to be interrupted */
    want_interrupts(true);
    one_read();
    CHECK(word_becomes(VECTOR_DATA));
    CHECK(!machine_msix_pending(msix, 0));
}

/** Masked, by the vector or by the function: the message waits in the pending bits. */
static void masked(const struct machine_msix *msix, bool by_function)
{
    *word = 0;
    if (by_function)
        machine_msix_control(msix, true, true);
    else
        machine_msix_mask(msix, 0, true);
    one_read();
    CHECK(becomes_pending(msix));
    CHECK(word_stays_zero());
    if (by_function)
        machine_msix_control(msix, true, false);
    else
        machine_msix_mask(msix, 0, false);
    CHECK(word_becomes(VECTOR_DATA));
    CHECK(!machine_msix_pending(msix, 0));
}

/** A vector that the table does not have reads back as NO_VECTOR. */
static void absent_vector(const struct machine_msix *msix)
{
    mmio_le16_write(&common->queue_select, 0);
    mmio_le16_write(&common->queue_msix_vector, msix->n_vectors);
    CHECK_EQUAL(mmio_le16_read(&common->queue_msix_vector), VIRTIO_NO_VECTOR);
    *word = 0;
    one_read();
    CHECK(word_stays_zero());
}

static void msix_tests(const struct machine_msix *msix)
{
    unmasked(msix);
    masked(msix, false);
    masked(msix, true);
    absent_vector(msix);
    machine_msix_control(msix, false, false);
}

static void allow_intx(const struct vst_pci_function *function)
{
    const struct vst_platform *platform = &disk.machine->platform;
    uint32_t command = platform->pci_config_read(platform->ctx, function->address, 4, 2);

    platform->pci_config_write(platform->ctx, function->address, 4, 2, command & ~0x400u);
}

/** INTx: raised until the interrupt status is read (4.1.4.5). */
static void intx_tests(const struct vst_pci_function *function)
{
    mmio_u8 *isr = machine_structure(disk.machine, function, VIRTIO_PCI_CAP_ISR_CFG);

    CHECK(isr != NULL);
    mmio_u8_read(isr);
    unsigned n_before = machine_intx_n_raised();
    want_interrupts(false);
    allow_intx(function);
    one_read();
    CHECK_EQUAL(machine_intx_n_raised(), n_before);
    want_interrupts(true);
    one_read();
    for (uint64_t start = now(); machine_intx_level() == 0 && now() - start < WAIT_NS;)
        ;
    CHECK(machine_intx_level() > 0);
    CHECK(machine_intx_n_raised() > n_before);
    CHECK_EQUAL(mmio_u8_read(isr), VIRTIO_INTERRUPT_QUEUE);
    CHECK_EQUAL(machine_intx_level(), 0);
    CHECK_EQUAL(mmio_u8_read(isr), 0);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    struct machine *machine = machine_start(options.dma, options.access, options.qemu);
    const struct vst_pci_function *function = machine_find(machine, vst_virtio_blk_matches);
    struct machine_msix msix;

    disk_open(&disk, machine, &options);
    word = machine->platform.alloc(machine, 4, 4, VST_MEMORY_SHARED, &word_bus_addr);
    disk_attach(&disk);
    common = machine_structure(machine, function, VIRTIO_PCI_CAP_COMMON_CFG);
    CHECK(common != NULL);
    machine_intx_intercept();
    bool has_msix = machine_msix_open(&msix, machine, function);
    printf("vectors=%u\n", has_msix ? msix.n_vectors : 0);
    if (has_msix)
        msix_tests(&msix);
    intx_tests(function);
    vst_virtio_blk_detach(disk.device);
    machine->platform.free(machine, (void *)(uintptr_t)word, 4, VST_MEMORY_SHARED);
    machine_stop(machine);
    disk_compare_and_close(&disk);
    puts("passed=1");
    return 0;
}
