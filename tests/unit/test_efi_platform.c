/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The EFI driver's platform on firmware that is none: bus addresses that are not the processor's and
 * lie above 4 GiB, BARs behind a bridge that translates, descriptions that make no sense.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/platform.c"
#include "boot/efi/platform_dma.c"

/* The bus sees memory there, and what the processor sees of BARs is that much higher. */
#define BUS_OFFSET  0x5000000000ull
#define TRANSLATION 0xc000000000ull
#define BAR_BUS     0x80000000ull
#define BAR64_BUS   0x980000000ull
#define BAR_BYTES   0x4000u

static EFI_BOOT_SERVICES services;
EFI_BOOT_SERVICES *firmware = &services;

void clock_start(void)
{
}

uint64_t clock_ns(void)
{
    return 0;
}

/* ---------------------------------------------------------------- the firmware */

#define NOTHING_TO_UNDO ((void *)UINTPTR_MAX) /* as EDK2 has it */

struct mapped {
    bool live;
    EFI_PCI_IO_PROTOCOL_OPERATION operation;
    void *host;
    UINTN bytes;
};

static struct {
    EFI_PCI_IO_PROTOCOL pci_io;
    uint8_t config[256];
    UINT64 attributes, supported;
    bool refuses_dual_address_cycle;
    struct mapped mapped[2 * PLATFORM_N_MAPPINGS];
    unsigned n_maps, n_live, n_buffers, n_pool;
    bool all_the_same; /* with nothing to undo, one mapping stands for all */
    unsigned n_same;
    EFI_STATUS map_status;
    UINTN map_at_most;
    struct acpi_address_space bars[VST_PCI_N_BARS];
} f;

static EFI_STATUS EFIAPI allocate_pool(EFI_MEMORY_TYPE type, UINTN bytes, VOID **memory)
{
    (void)type;
    *memory = malloc(bytes);
    f.n_pool++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pool(VOID *memory)
{
    free(memory);
    f.n_pool--;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI config_io_read(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                        UINT32 offset, UINTN count, VOID *buffer)
{
    (void)this;
    assert_true(offset + (count << width) <= sizeof(f.config));
    memcpy(buffer, f.config + offset, count << width);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI config_io_write(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                         UINT32 offset, UINTN count, VOID *buffer)
{
    (void)this;
    assert_true(offset + (count << width) <= sizeof(f.config));
    memcpy(f.config + offset, buffer, count << width);
    return EFI_SUCCESS;
}

/* UEFI 2.9, 14.4.19: a function that is not to use such cycles is given addresses below 4 GiB. */
static EFI_STATUS EFIAPI map(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_OPERATION operation,
                             VOID *host, UINTN *bytes, EFI_PHYSICAL_ADDRESS *address,
                             VOID **mapping)
{
    (void)this;
    if (EFI_ERROR(f.map_status))
        return f.map_status;
    struct mapped *made = f.mapped;
    while (made->live)
        made++;
    if (*bytes > f.map_at_most)
        *bytes = f.map_at_most;
    *made = (struct mapped){true, operation, host, *bytes};
    f.n_maps++;
    f.n_live++;
    *address = f.attributes & EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE ? (uintptr_t)host + BUS_OFFSET
                                                                      : (uint32_t)(uintptr_t)host;
    *mapping = made;
    if (f.all_the_same) {
        made->live = false;
        f.n_same++;
        *mapping = NOTHING_TO_UNDO;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI unmap(EFI_PCI_IO_PROTOCOL *this, VOID *mapping)
{
    struct mapped *made = mapping;

    (void)this;
    f.n_live--;
    if (mapping == NOTHING_TO_UNDO) {
        assert_true(f.n_same-- > 0);
        return EFI_SUCCESS;
    }
    assert_true(made >= f.mapped && made < f.mapped + VST_ARRAY_LENGTH(f.mapped) && made->live);
    made->live = false;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI allocate_buffer(EFI_PCI_IO_PROTOCOL *this, EFI_ALLOCATE_TYPE type,
                                         EFI_MEMORY_TYPE memory_type, UINTN pages, VOID **host,
                                         UINT64 attributes)
{
    (void)this;
    (void)type;
    (void)attributes;
    assert_int_equal(memory_type, EfiBootServicesData);
    *host = aligned_alloc(EFI_PAGE_SIZE, pages * EFI_PAGE_SIZE);
    f.n_buffers++;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_buffer(EFI_PCI_IO_PROTOCOL *this, UINTN pages, VOID *host)
{
    (void)this;
    (void)pages;
    free(host);
    f.n_buffers--;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_location(EFI_PCI_IO_PROTOCOL *this, UINTN *segment, UINTN *bus,
                                      UINTN *device, UINTN *function)
{
    (void)this;
    *segment = 1;
    *bus = 2;
    *device = 3;
    *function = 4;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI attributes(EFI_PCI_IO_PROTOCOL *this,
                                    EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION operation,
                                    UINT64 wanted, UINT64 *result)
{
    (void)this;
    switch (operation) {
    case EfiPciIoAttributeOperationGet:
        *result = f.attributes;
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationSupported:
        *result = f.supported;
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationSet:
        f.attributes = wanted;
        return EFI_SUCCESS;
    case EfiPciIoAttributeOperationEnable:
        if (f.refuses_dual_address_cycle && (wanted & EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE))
            return EFI_UNSUPPORTED;
        f.attributes |= wanted;
        return EFI_SUCCESS;
    default:
        fail();
        return EFI_UNSUPPORTED;
    }
}

static EFI_STATUS EFIAPI get_bar_attributes(EFI_PCI_IO_PROTOCOL *this, UINT8 number,
                                            UINT64 *supports, VOID **resources)
{
    (void)this;
    (void)supports;
    if (number >= VST_PCI_N_BARS || f.bars[number].bytes == UINT64_MAX)
        return EFI_UNSUPPORTED;
    (void)allocate_pool(EfiBootServicesData, sizeof(f.bars[number]), resources);
    memcpy(*resources, &f.bars[number], sizeof(f.bars[number]));
    return EFI_SUCCESS;
}

static void put32(unsigned offset, uint32_t value)
{
    memcpy(f.config + offset, &value, sizeof(value));
}

static struct acpi_address_space described(UINT8 type, uint64_t bus, uint64_t translation)
{
    return (struct acpi_address_space){.descriptor = ACPI_ADDRESS_SPACE,
                                       .length = 0x2b,
                                       .resource_type = type,
                                       .granularity = 64,
                                       .first = bus - translation,
                                       .last = bus - translation + BAR_BYTES - 1,
                                       .translation = translation,
                                       .bytes = BAR_BYTES};
}

/* A modern virtio-blk with ports in BAR 0, 32 bits in 1, 64 bits in 4 and 5. */
static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.pci_io = (EFI_PCI_IO_PROTOCOL){.Pci = {config_io_read, config_io_write},
                                     .Map = map,
                                     .Unmap = unmap,
                                     .AllocateBuffer = allocate_buffer,
                                     .FreeBuffer = free_buffer,
                                     .GetLocation = get_location,
                                     .Attributes = attributes,
                                     .GetBarAttributes = get_bar_attributes};
    services.AllocatePool = allocate_pool;
    services.FreePool = free_pool;
    f.supported = EFI_PCI_IO_ATTRIBUTE_IO | EFI_PCI_IO_ATTRIBUTE_MEMORY |
                  EFI_PCI_IO_ATTRIBUTE_BUS_MASTER | EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE;
    f.map_at_most = UINTPTR_MAX;
    put32(0, 0x10421af4);
    put32(0x10, 0xc000 | 1);
    put32(0x14, BAR_BUS);
    put32(0x20, (uint32_t)BAR64_BUS | 0xc);
    put32(0x24, BAR64_BUS >> 32);
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++)
        f.bars[i].bytes = UINT64_MAX; /* none */
    f.bars[0] = described(ACPI_ADDRESS_SPACE_IO, 0xc000, 0);
    f.bars[1] = described(ACPI_ADDRESS_SPACE_MEMORY, BAR_BUS, -TRANSLATION);
    f.bars[4] = described(ACPI_ADDRESS_SPACE_MEMORY, BAR64_BUS, -TRANSLATION);
    return 0;
}

static struct efi_platform platform;

static void open_platform(struct vst_pci_function *function)
{
    assert_true(platform_open(&platform, &f.pci_io, function) == EFI_SUCCESS);
    assert_int_equal(f.n_pool, 0);
}

/* ---------------------------------------------------------------- BARs */

static void test_bars_are_where_the_processor_sees_them(void **state)
{
    struct vst_pci_function function;

    (void)state;
    open_platform(&function);
    assert_int_equal(function.vendor_id, 0x1af4);
    assert_int_equal(function.address.bus, 2);
    assert_int_equal(function.bars[0].kind, VST_PCI_BAR_IO);
    assert_int_equal(function.bars[0].address, 0xc000);
    assert_int_equal(function.bars[1].kind, VST_PCI_BAR_MEMORY32);
    assert_true(function.bars[1].address == BAR_BUS + TRANSLATION);
    assert_int_equal(function.bars[1].bytes, BAR_BYTES);
    assert_int_equal(function.bars[4].kind, VST_PCI_BAR_MEMORY64);
    assert_true(function.bars[4].address == BAR64_BUS + TRANSLATION && function.bars[4].assigned);
    assert_true(platform.base.mmio_map(&platform, function.bars[4].address, 16) ==
                (void *)(uintptr_t)(BAR64_BUS + TRANSLATION));
}

/* Firmware that counts BARs and not registers has the third one at 2. */
static void test_bars_may_be_counted_otherwise(void **state)
{
    struct vst_pci_function function;

    (void)state;
    f.bars[2] = f.bars[4];
    f.bars[4].bytes = UINT64_MAX;
    open_platform(&function);
    assert_true(function.bars[4].address == BAR64_BUS + TRANSLATION);
}

/* What can't be believed is no BAR; nothing is read beyond the description, which has its own size. */
static void test_descriptions_without_sense(void **state)
{
    struct vst_pci_function function;
    const struct acpi_address_space sound = f.bars[4];

    (void)state;
    for (int i = 0; i < 7; i++) {
        f.bars[4] = sound;
        f.bars[4].descriptor = i == 0 ? 0x79 : sound.descriptor;
        f.bars[4].resource_type = i == 1 ? ACPI_ADDRESS_SPACE_IO : sound.resource_type;
        f.bars[4].first += i == 2;
        f.bars[4].bytes = i == 3 ? 0 : sound.bytes;
        f.bars[4].translation += i == 4 ? 0x1000 : 0;
        f.bars[4].length = i == 5 ? 0x2a : sound.length;
        f.bars[4].bytes = i == 6 ? -sound.first + 1 : f.bars[4].bytes;
        open_platform(&function);
        assert_int_equal(function.bars[4].kind, VST_PCI_BAR_NONE);
        assert_int_equal(function.bars[1].kind, VST_PCI_BAR_MEMORY32);
    }
}

/* ---------------------------------------------------------------- attributes */

static void test_attributes_are_as_before(void **state)
{
    struct vst_pci_function function;
    const UINT64 before = f.attributes = EFI_PCI_IO_ATTRIBUTE_VGA_MEMORY;

    (void)state;
    open_platform(&function);
    assert_true(f.attributes & EFI_PCI_IO_ATTRIBUTE_MEMORY);
    assert_true(f.attributes & EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE);
    assert_false(f.attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
    assert_true(platform_allow_dma(&platform) == EFI_SUCCESS);
    assert_true(f.attributes & EFI_PCI_IO_ATTRIBUTE_BUS_MASTER);
    platform_close(&platform);
    assert_true(f.attributes == before);
}

static void test_what_is_not_supported_is_not_asked_for(void **state)
{
    struct vst_pci_function function;

    (void)state;
    f.supported &= ~(UINT64)EFI_PCI_IO_ATTRIBUTE_IO;
    open_platform(&function);
    assert_false(f.attributes & EFI_PCI_IO_ATTRIBUTE_IO);
}

/* ---------------------------------------------------------------- addresses of the bus */

static uint64_t mapped_at(void *buffer, size_t bytes, enum vst_dma_direction direction)
{
    uint64_t bus_addr = 0;

    assert_int_equal(platform.base.dma_map(&platform, buffer, bytes, direction, &bus_addr), VST_OK);
    return bus_addr;
}

static void test_devices_are_told_addresses_of_the_bus(void **state)
{
    static char buffers[4][512];
    struct vst_pci_function function;
    uint64_t at[4], bus_addr;

    (void)state;
    open_platform(&function);
    for (int i = 0; i < 4; i++) {
        at[i] = mapped_at(buffers[i], sizeof(buffers[i]),
                          i % 2 ? VST_DMA_TO_DEVICE : VST_DMA_FROM_DEVICE);
        assert_true(at[i] == (uintptr_t)buffers[i] + BUS_OFFSET && at[i] > UINT32_MAX);
        assert_int_equal(f.mapped[i].operation,
                         i % 2 ? EfiPciIoOperationBusMasterRead : EfiPciIoOperationBusMasterWrite);
    }
    /* Ends in any order, and of one buffer mapped twice the one is not the other. */
    platform.base.dma_unmap(&platform, buffers[2], sizeof(buffers[2]), VST_DMA_FROM_DEVICE, at[2]);
    assert_false(f.mapped[2].live);
    assert_true(f.mapped[0].live && f.mapped[1].live && f.mapped[3].live);
    for (int i = 0; i < 4; i++)
        if (i != 2)
            platform.base.dma_unmap(&platform, buffers[i], sizeof(buffers[i]), VST_DMA_FROM_DEVICE,
                                    at[i]);
    void *memory = platform.base.alloc(&platform, 5000, 4096, VST_MEMORY_SHARED, &bus_addr);
    assert_true(bus_addr == (uintptr_t)memory + BUS_OFFSET);
    assert_int_equal(f.mapped[0].operation, EfiPciIoOperationBusMasterCommonBuffer);
    platform.base.free(&platform, memory, 5000, VST_MEMORY_SHARED);
    assert_int_equal(f.n_live + f.n_buffers + f.n_pool, 0);
}

/* A bus without such cycles: firmware then keeps below 4 GiB, and we go by what it says. */
static void test_a_bus_without_dual_address_cycles(void **state)
{
    static char buffer[512];
    struct vst_pci_function function;

    (void)state;
    f.refuses_dual_address_cycle = true;
    open_platform(&function);
    assert_true(mapped_at(buffer, sizeof(buffer), VST_DMA_FROM_DEVICE) <= UINT32_MAX);
    platform.base.dma_unmap(&platform, buffer, sizeof(buffer), VST_DMA_FROM_DEVICE,
                            (uint32_t)(uintptr_t)buffer);
    assert_int_equal(f.n_live, 0);
}

/* 14.4.19: fewer bytes than wanted can be mapped; a command can't be cut any more. */
static void test_what_is_mapped_in_part_is_not_mapped(void **state)
{
    static char buffer[8192];
    struct vst_pci_function function;
    uint64_t bus_addr;

    (void)state;
    open_platform(&function);
    f.map_at_most = 4096;
    assert_int_equal(
        platform.base.dma_map(&platform, buffer, sizeof(buffer), VST_DMA_FROM_DEVICE, &bus_addr),
        VST_ERR_NO_MEMORY);
    assert_null(platform.base.alloc(&platform, 8192, 4096, VST_MEMORY_SHARED, &bus_addr));
    assert_int_equal(f.n_live + f.n_buffers + f.n_pool, 0);
    /* While others are mapped it may be these that are in the way. */
    uint64_t other = mapped_at(buffer, 4096, VST_DMA_FROM_DEVICE);
    f.map_status = EFI_OUT_OF_RESOURCES;
    assert_int_equal(platform.base.dma_map(&platform, buffer, 4096, VST_DMA_FROM_DEVICE, &bus_addr),
                     VST_ERR_FULL);
    platform.base.dma_unmap(&platform, buffer, 4096, VST_DMA_FROM_DEVICE, other);
    assert_int_equal(platform.base.dma_map(&platform, buffer, 4096, VST_DMA_FROM_DEVICE, &bus_addr),
                     VST_ERR_NO_MEMORY);
    assert_int_equal(f.n_live, 0);
}

/* As many as there is room for, all with the same home, taken back from the middle outwards. */
static void test_many_mappings(void **state)
{
    char *memory = malloc((size_t)PLATFORM_N_MAPPINGS << 4), *one;
    struct vst_pci_function function;
    uint64_t at[PLATFORM_N_MAPPINGS], bus_addr;

    (void)state;
    open_platform(&function);
    for (unsigned i = 0; i < PLATFORM_N_MAPPINGS; i++)
        at[i] = mapped_at(memory + ((size_t)i << 4), 16, VST_DMA_FROM_DEVICE);
    assert_int_equal(platform.base.dma_map(&platform, memory, 16, VST_DMA_FROM_DEVICE, &bus_addr),
                     VST_ERR_FULL);
    for (unsigned i = 0; i < PLATFORM_N_MAPPINGS; i++) {
        unsigned k = (i * 37 + PLATFORM_N_MAPPINGS / 2) % PLATFORM_N_MAPPINGS;
        one = memory + ((size_t)k << 4);
        platform.base.dma_unmap(&platform, one, 16, VST_DMA_FROM_DEVICE, at[k]);
        assert_false(f.mapped[k].live);
    }
    assert_int_equal(f.n_live, 0);
    assert_int_equal(platform.n_mapped, 0);
    /* One that is not there is nobody's. */
    platform.base.dma_unmap(&platform, memory, 16, VST_DMA_FROM_DEVICE, at[0]);
    assert_int_equal(platform.n_mapped, 0);
    free(memory);
}

/* Where most need nothing undone, those that do are told from them, whichever came first. */
static void test_mappings_that_are_all_the_same(void **state)
{
    static char buffers[8][512];
    struct vst_pci_function function;
    uint64_t at[8];

    (void)state;
    open_platform(&function);
    for (unsigned round = 0; round < 256; round++) { /* each bit: whether that one is the same */
        for (unsigned i = 0; i < 8; i++) {
            f.all_the_same = round >> i & 1;
            at[i] = mapped_at(buffers[i], sizeof(buffers[i]), VST_DMA_FROM_DEVICE);
        }
        for (unsigned i = 0; i < 8; i++) {
            unsigned k = (i * 3 + round) % 8, n_same = f.n_same;
            platform.base.dma_unmap(&platform, buffers[k], sizeof(buffers[k]), VST_DMA_FROM_DEVICE,
                                    at[k]);
            assert_int_equal(f.n_same, n_same - (round >> k & 1));
        }
        assert_int_equal(f.n_live + platform.n_mapped + platform.n_unusual, 0);
    }
}

/* ---------------------------------------------------------------- configuration space */

static void test_other_functions_are_not_ours_to_touch(void **state)
{
    struct vst_pci_function function;

    (void)state;
    open_platform(&function);
    struct vst_pci_address other = function.address;
    other.function = 0;
    assert_int_equal(platform.base.pci_config_read(&platform, function.address, 0, 4), 0x10421af4);
    assert_int_equal(platform.base.pci_config_read(&platform, other, 0, 4), UINT32_MAX);
    assert_int_equal(platform.base.pci_config_read(&platform, other, 0, 2), UINT16_MAX);
    platform.base.pci_config_write(&platform, other, 0x3c, 1, 0x55);
    assert_int_equal(f.config[0x3c], 0);
    platform.base.pci_config_write(&platform, function.address, 0x3c, 1, 0x55);
    assert_int_equal(f.config[0x3c], 0x55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_bars_are_where_the_processor_sees_them, setup),
        cmocka_unit_test_setup(test_bars_may_be_counted_otherwise, setup),
        cmocka_unit_test_setup(test_descriptions_without_sense, setup),
        cmocka_unit_test_setup(test_attributes_are_as_before, setup),
        cmocka_unit_test_setup(test_what_is_not_supported_is_not_asked_for, setup),
        cmocka_unit_test_setup(test_devices_are_told_addresses_of_the_bus, setup),
        cmocka_unit_test_setup(test_a_bus_without_dual_address_cycles, setup),
        cmocka_unit_test_setup(test_what_is_mapped_in_part_is_not_mapped, setup),
        cmocka_unit_test_setup(test_many_mappings, setup),
        cmocka_unit_test_setup(test_mappings_that_are_all_the_same, setup),
        cmocka_unit_test_setup(test_other_functions_are_not_ours_to_touch, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
