/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for people. (PCI Code and ID Assignment 1.11, 1 and 2; PCIe 4, 7.5.3) */
#include <vstor/log.h>
#include <vstor/pci.h>

#define ANY_SUB_CLASS 0xffu

/* A row with ANY_SUB_CLASS ends each base class and names what the rows before it do not. */
static const struct {
    uint8_t base_class, sub_class;
    const char *name;
} classes[] = {
    {0x00, 0x01, "VGA compatible unclassified device"},
    {0x00, ANY_SUB_CLASS, "Unclassified device"},
    {0x01, 0x00, "SCSI storage controller"},
    {0x01, 0x01, "IDE interface"},
    {0x01, 0x02, "Floppy disk controller"},
    {0x01, 0x04, "RAID bus controller"},
    {0x01, 0x05, "ATA controller"},
    {0x01, 0x06, "SATA controller"},
    {0x01, 0x07, "Serial Attached SCSI controller"},
    {0x01, 0x08, "Non-Volatile memory controller"},
    {0x01, 0x09, "Universal flash storage controller"},
    {0x01, ANY_SUB_CLASS, "Mass storage controller"},
    {0x02, 0x00, "Ethernet controller"},
    {0x02, 0x07, "InfiniBand controller"},
    {0x02, ANY_SUB_CLASS, "Network controller"},
    {0x03, 0x00, "VGA compatible controller"},
    {0x03, 0x02, "3D controller"},
    {0x03, ANY_SUB_CLASS, "Display controller"},
    {0x04, 0x01, "Multimedia audio controller"},
    {0x04, 0x03, "Audio device"},
    {0x04, ANY_SUB_CLASS, "Multimedia controller"},
    {0x05, 0x00, "RAM memory"},
    {0x05, 0x01, "FLASH memory"},
    {0x05, 0x02, "CXL memory"},
    {0x05, ANY_SUB_CLASS, "Memory controller"},
    {0x06, 0x00, "Host bridge"},
    {0x06, 0x01, "ISA bridge"},
    {0x06, 0x02, "EISA bridge"},
    {0x06, 0x04, "PCI bridge"},
    {0x06, 0x05, "PCMCIA bridge"},
    {0x06, 0x07, "CardBus bridge"},
    {0x06, 0x09, "Semi-transparent PCI-to-PCI bridge"},
    {0x06, ANY_SUB_CLASS, "Bridge"},
    {0x07, 0x00, "Serial controller"},
    {0x07, 0x01, "Parallel controller"},
    {0x07, 0x02, "Multiport serial controller"},
    {0x07, 0x03, "Modem"},
    {0x07, ANY_SUB_CLASS, "Communication controller"},
    {0x08, 0x00, "PIC"},
    {0x08, 0x01, "DMA controller"},
    {0x08, 0x02, "Timer"},
    {0x08, 0x03, "RTC"},
    {0x08, 0x04, "PCI Hot-plug controller"},
    {0x08, 0x05, "SD Host controller"},
    {0x08, 0x06, "IOMMU"},
    {0x08, ANY_SUB_CLASS, "System peripheral"},
    {0x09, 0x00, "Keyboard controller"},
    {0x09, 0x02, "Mouse controller"},
    {0x09, ANY_SUB_CLASS, "Input device controller"},
    {0x0a, ANY_SUB_CLASS, "Docking station"},
    {0x0b, ANY_SUB_CLASS, "Processor"},
    {0x0c, 0x00, "FireWire (IEEE 1394)"},
    {0x0c, 0x03, "USB controller"},
    {0x0c, 0x04, "Fibre Channel"},
    {0x0c, 0x05, "SMBus"},
    {0x0c, 0x07, "IPMI interface"},
    {0x0c, ANY_SUB_CLASS, "Serial bus controller"},
    {0x0d, ANY_SUB_CLASS, "Wireless controller"},
    {0x0e, ANY_SUB_CLASS, "Intelligent controller"},
    {0x0f, ANY_SUB_CLASS, "Satellite communications controller"},
    {0x10, ANY_SUB_CLASS, "Encryption controller"},
    {0x11, ANY_SUB_CLASS, "Signal processing controller"},
    {0x12, ANY_SUB_CLASS, "Processing accelerator"},
    {0x13, ANY_SUB_CLASS, "Non-Essential Instrumentation"},
    {0xff, ANY_SUB_CLASS, "Unassigned class"},
};

static const char *const capabilities[] = {
    [0x00] = "null",
    [0x01] = "Power Management",
    [0x02] = "AGP",
    [0x03] = "Vital Product Data",
    [0x04] = "Slot Identification",
    [0x05] = "MSI",
    [0x06] = "CompactPCI hot-swap",
    [0x07] = "PCI-X",
    [0x08] = "HyperTransport",
    [0x09] = "Vendor Specific",
    [0x0a] = "Debug port",
    [0x0b] = "CompactPCI central resource control",
    [0x0c] = "Hot-plug",
    [0x0d] = "Bridge subsystem id",
    [0x0e] = "AGP 8x",
    [0x0f] = "Secure device",
    [0x10] = "PCI Express",
    [0x11] = "MSI-X",
    [0x12] = "SATA configuration",
    [0x13] = "Advanced Features",
    [0x14] = "Enhanced Allocation",
    [0x15] = "Flattening Portal Bridge",
};

const char *vst_pci_class_name(uint8_t base_class, uint8_t sub_class)
{
    for (size_t i = 0; i < VST_ARRAY_LENGTH(classes); i++)
        if (classes[i].base_class == base_class &&
            (classes[i].sub_class == sub_class || classes[i].sub_class == ANY_SUB_CLASS))
            return classes[i].name;
    return "unknown class";
}

const char *vst_pci_capability_name(uint8_t id)
{
    return id < VST_ARRAY_LENGTH(capabilities) ? capabilities[id] : "unknown";
}

char *vst_pci_address_text(struct vst_pci_address address, char text[13])
{
    (void)vst_format(text, 13, "%04x:%02x:%02x.%u", address.segment, address.bus, address.device,
                     address.function & 7u);
    return text;
}
