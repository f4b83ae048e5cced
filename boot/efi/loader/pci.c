/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader/pci.h"

#include <stdlib.h>
#include <string.h>

#include "boot/efi/driver.h"
#include "pci/pci_internal.h"

static struct {
    struct vst_pci_function *functions;
    size_t n;
    EFI_HANDLE *handles; /* from the pool */
    UINTN n_handles;
    struct efi_platform platform; /* of the function that was read last */
} found;

/* ---------------------------------------------------------------- one function */

static bool open_handle(EFI_HANDLE handle, struct vst_pci_function *function)
{
    EFI_PCI_IO_PROTOCOL *pci_io;

    return !EFI_ERROR(firmware->HandleProtocol(handle, &guid_pci_io, (VOID **)&pci_io)) &&
           !EFI_ERROR(platform_look(&found.platform, pci_io, function));
}

static void look_at_bridge(const struct vst_platform *platform, struct vst_pci_function *function)
{
    uint32_t buses = pci_read32(platform, function->address, PCI_PRIMARY_BUS);

    function->secondary_bus = (uint8_t)(buses >> 8);
    function->subordinate_bus = (uint8_t)(buses >> 16);
    vst_pci_bridge_windows_read(platform, function);
}

static bool look(EFI_HANDLE handle, struct vst_pci_function *function)
{
    const struct vst_platform *platform = &found.platform.base;

    if (!open_handle(handle, function))
        return false;
    uint16_t interrupt = pci_read16(platform, function->address, PCI_INTERRUPT_LINE);
    function->interrupt_line = (uint8_t)interrupt;
    function->interrupt_pin = (uint8_t)(interrupt >> 8);
    function->header_type =
        pci_read8(platform, function->address, PCI_HEADER_TYPE) & PCI_HEADER_LAYOUT;
    if (pci_is_bridge(function))
        look_at_bridge(platform, function);
    if (function->header_type != PCI_HEADER_DEVICE)
        function->subsystem_vendor_id = function->subsystem_id = 0;
    return true;
}

/* ---------------------------------------------------------------- all of them */

static uint32_t rank(struct vst_pci_address address)
{
    return (uint32_t)address.segment << 16 | (uint32_t)address.bus << 8 |
           (uint32_t)address.device << 3 | address.function;
}

static int compare(const void *a, const void *b)
{
    uint32_t of_a = rank(((const struct vst_pci_function *)a)->address);
    uint32_t of_b = rank(((const struct vst_pci_function *)b)->address);

    return of_a < of_b ? -1 : of_a > of_b;
}

const struct vst_pci_function *pci_find(size_t *n)
{
    free(found.functions);
    if (found.handles != NULL)
        (void)firmware->FreePool(found.handles);
    found.n = 0;
    found.handles = driver_pci_handles(&found.n_handles);
    found.functions = calloc(found.n_handles + 1, sizeof(*found.functions));
    for (UINTN i = 0; found.handles != NULL && found.functions != NULL && i < found.n_handles; i++)
        found.n += look(found.handles[i], &found.functions[found.n]);
    if (found.n > 0)
        qsort(found.functions, found.n, sizeof(*found.functions), compare);
    *n = found.n;
    return found.functions;
}

uint32_t pci_config_read(void *ctx, struct vst_pci_address address, uint16_t offset,
                         uint8_t width_bytes)
{
    struct vst_pci_function function;

    (void)ctx;
    for (UINTN i = 0; found.handles != NULL && i < found.n_handles; i++) {
        if (rank(found.platform.address) == rank(address))
            break;
        (void)open_handle(found.handles[i], &function);
    }
    /* Which says what it is told of another function: all ones. */
    return found.platform.base.pci_config_read(&found.platform, address, offset, width_bytes);
}
