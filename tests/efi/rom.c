/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver as an option ROM: firmware has loaded it by itself, if the host gave it. */
#include "tests/efi/support.h"

#define MAX_FUNCTIONS 8u

/* Says who drives what; nothing is loaded. */
static void who_drives(void)
{
    EFI_HANDLE functions[MAX_FUNCTIONS];

    connect_all();
    UINTN n = virtio_functions(functions, MAX_FUNCTIONS);
    for (UINTN i = 0; i < n; i++) {
        EFI_PCI_IO_PROTOCOL *pci_io = protocol(functions[i], &guid_pci_io);
        UINTN segment, bus, device, function;
        EXPECT_OK(pci_io->GetLocation(pci_io, &segment, &bus, &device, &function));
        CHECK(driver_of(functions[i]) != NULL);
        say("function %lu %s rom=%lu", (unsigned long)device,
            is_ours(functions[i]) ? "vstor" : "other", (unsigned long)pci_io->RomSize);
        EFI_BLOCK_IO_PROTOCOL *io = protocol(disk(i), &guid_block_io);
        char *buffer = allocate(io->Media->BlockSize);
        EXPECT_OK(io->ReadBlocks(io, io->Media->MediaId, 0, io->Media->BlockSize, buffer));
    }
}

const struct test tests_rom[] = {
    {"who_drives", who_drives},
    {NULL, NULL},
};
