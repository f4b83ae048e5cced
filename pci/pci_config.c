/* SPDX-License-Identifier: BSD-2-Clause */
/* Two ways to configuration space: memory-mapped (ECAM) and the ports CF8/CFC. */
#include <arch/mmio.h>
#include <arch/port_io.h>
#include <vstor/pci.h>
#include "pci_registers.h"

#define CONFIG_ADDRESS        0xcf8u
#define CONFIG_DATA           0xcfcu
#define CONFIG_ADDRESS_ENABLE 0x80000000u

static uint32_t all_ones(uint8_t width_bytes)
{
    return width_bytes == 1 ? UINT8_MAX : width_bytes == 2 ? UINT16_MAX : UINT32_MAX;
}

/* An access that is naturally aligned, and a position that exists. */
static bool is_sound(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes)
{
    return (width_bytes == 1 || width_bytes == 2 || width_bytes == 4) &&
           (offset & (width_bytes - 1u)) == 0 && address.device < PCI_N_DEVICES &&
           address.function < PCI_N_FUNCTIONS;
}

/* The register's place in the mapping, NULL where there is none. (PCIe 4, 7.2.2, table 7-1) */
static void *ecam_register(const struct vst_pci_ecam *ecam, struct vst_pci_address address,
                           uint16_t offset, uint8_t width_bytes)
{
    if (!is_sound(address, offset, width_bytes) || offset >= PCI_CONFIG_BYTES_PCIE ||
        address.segment != ecam->segment || address.bus < ecam->first_bus ||
        address.bus > ecam->last_bus)
        return NULL;
    size_t place = (size_t)(address.bus - ecam->first_bus) << 20 | (size_t)address.device << 15 |
                   (size_t)address.function << 12 | offset;
    return (char *)ecam->base + place;
}

uint32_t vst_pci_ecam_read(const struct vst_pci_ecam *ecam, struct vst_pci_address address,
                           uint16_t offset, uint8_t width_bytes)
{
    const void *reg = ecam_register(ecam, address, offset, width_bytes);

    if (reg == NULL)
        return all_ones(width_bytes);
    switch (width_bytes) {
    case 1:
        return mmio_u8_read(reg);
    case 2:
        return mmio_le16_read(reg);
    default:
        return mmio_le32_read(reg);
    }
}

void vst_pci_ecam_write(const struct vst_pci_ecam *ecam, struct vst_pci_address address,
                        uint16_t offset, uint8_t width_bytes, uint32_t value)
{
    void *reg = ecam_register(ecam, address, offset, width_bytes);

    if (reg == NULL)
        return;
    switch (width_bytes) {
    case 1:
        mmio_u8_write(reg, (uint8_t)value);
        break;
    case 2:
        mmio_le16_write(reg, (uint16_t)value);
        break;
    default:
        mmio_le32_write(reg, value);
    }
}

#if ARCH_HAS_PORT_IO

/* Points CFC at the register; false where the mechanism does not reach. (PCI 3.0, 3.2.2.3.2) */
static bool select_register(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes)
{
    if (!is_sound(address, offset, width_bytes) || offset >= PCI_CONFIG_BYTES ||
        address.segment != 0)
        return false;
    port_write32(CONFIG_ADDRESS, CONFIG_ADDRESS_ENABLE | (uint32_t)address.bus << 16 |
                                     (uint32_t)address.device << 11 |
                                     (uint32_t)address.function << 8 | (offset & 0xfcu));
    return true;
}

uint32_t vst_pci_port_read(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes)
{
    uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3u));

    if (!select_register(address, offset, width_bytes))
        return all_ones(width_bytes);
    switch (width_bytes) {
    case 1:
        return port_read8(port);
    case 2:
        return port_read16(port);
    default:
        return port_read32(port);
    }
}

void vst_pci_port_write(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes,
                        uint32_t value)
{
    uint16_t port = (uint16_t)(CONFIG_DATA + (offset & 3u));

    if (!select_register(address, offset, width_bytes))
        return;
    switch (width_bytes) {
    case 1:
        port_write8(port, (uint8_t)value);
        break;
    case 2:
        port_write16(port, (uint16_t)value);
        break;
    default:
        port_write32(port, value);
    }
}

#else

uint32_t vst_pci_port_read(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes)
{
    (void)address;
    (void)offset;
    return all_ones(width_bytes);
}

void vst_pci_port_write(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes,
                        uint32_t value)
{
    (void)address;
    (void)offset;
    (void)width_bytes;
    (void)value;
}

#endif
