/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the EFI driver is told of a function: its configuration space, and what the firmware says of
 * its BARs, which may be cut short, lie or contradict the registers.
 *
 * The input: the ids' upper half that Supported sees, then 256 bytes of configuration space, then for
 * each BAR number of the firmware's: bytes of its description (0: it has none), and these.
 */
#include <string.h>

#include "boot/efi/platform.c"
#include "boot/efi/platform_dma.c"
#include "tests/fuzz/fuzz_input.h"

#define CONFIG_BYTES 256u

static EFI_BOOT_SERVICES services;
EFI_BOOT_SERVICES *firmware = &services;
static uint8_t config[CONFIG_BYTES];
static struct {
    uint8_t bytes;
    uint8_t text[UINT8_MAX];
} told[VST_PCI_N_BARS];
static unsigned n_pool;

void clock_start(void)
{
}

uint64_t clock_ns(void)
{
    return 0;
}

static EFI_STATUS EFIAPI free_pool(VOID *memory)
{
    free(memory);
    n_pool--;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI read_config(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN count, VOID *buffer)
{
    (void)this;
    if (offset > CONFIG_BYTES || (count << width) > CONFIG_BYTES - offset)
        return EFI_UNSUPPORTED;
    memcpy(buffer, config + offset, count << width);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI write_config(EFI_PCI_IO_PROTOCOL *this, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                      UINT32 offset, UINTN count, VOID *buffer)
{
    (void)this;
    if (offset > CONFIG_BYTES || (count << width) > CONFIG_BYTES - offset)
        return EFI_UNSUPPORTED;
    memcpy(config + offset, buffer, count << width);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_location(EFI_PCI_IO_PROTOCOL *this, UINTN *segment, UINTN *bus,
                                      UINTN *device, UINTN *function)
{
    (void)this;
    *segment = *bus = *device = *function = 1;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI attributes(EFI_PCI_IO_PROTOCOL *this,
                                    EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION operation,
                                    UINT64 wanted, UINT64 *result)
{
    (void)this;
    (void)operation;
    (void)wanted;
    if (result != NULL)
        *result = EFI_PCI_IO_ATTRIBUTE_MEMORY | EFI_PCI_IO_ATTRIBUTE_IO;
    return EFI_SUCCESS;
}

/* In memory of exactly that size, so that the sanitizer sees a byte too much. A description has its
 * head at least, and an end tag its two bytes: firmware that gives less gives nothing. */
static EFI_STATUS EFIAPI get_bar_attributes(EFI_PCI_IO_PROTOCOL *this, UINT8 number,
                                            UINT64 *supports, VOID **resources)
{
    (void)this;
    (void)supports;
    if (number >= VST_PCI_N_BARS || told[number].bytes == 0)
        return EFI_UNSUPPORTED;
    size_t bytes = told[number].bytes;
    size_t least = told[number].text[0] == ACPI_ADDRESS_SPACE
                       ? 3u + (told[number].text[1] | (size_t)told[number].text[2] << 8)
                       : 2u;
    if (bytes < 3 || bytes < least)
        bytes = least < 3 ? 3 : least;
    *resources = calloc(1, bytes);
    memcpy(*resources, told[number].text,
           bytes < sizeof(told[number].text) ? bytes : sizeof(told[number].text));
    n_pool++;
    return EFI_SUCCESS;
}

static void check_bars(const struct vst_pci_function *function)
{
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &function->bars[i];
        if (bar->kind == VST_PCI_BAR_NONE)
            continue;
        FUZZ_CHECK(bar->bytes > 0 && bar->bytes - 1 <= UINT64_MAX - bar->address);
        if (bar->kind == VST_PCI_BAR_MEMORY64 && i + 1 < VST_PCI_N_BARS)
            FUZZ_CHECK(function->bars[i + 1].kind == VST_PCI_BAR_NONE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static EFI_PCI_IO_PROTOCOL pci_io = {.Pci = {read_config, write_config},
                                         .GetLocation = get_location,
                                         .Attributes = attributes,
                                         .GetBarAttributes = get_bar_attributes};
    static struct efi_platform platform;
    struct fuzz_input input = {data, bytes};
    struct vst_pci_function function;

    services.FreePool = free_pool;
    for (unsigned i = 0; i < CONFIG_BYTES; i++)
        config[i] = fuzz_u8(&input);
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        told[i].bytes = fuzz_u8(&input);
        for (unsigned k = 0; k < told[i].bytes; k++)
            told[i].text[k] = fuzz_u8(&input);
    }
    n_pool = 0;
    if (!EFI_ERROR(platform_open(&platform, &pci_io, &function))) {
        check_bars(&function);
        platform_close(&platform);
    }
    FUZZ_CHECK(n_pool == 0);
    return 0;
}
