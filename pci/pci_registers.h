/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of PCI configuration space by the names of the specification. (PCIe 4, 7.5.1) */
#ifndef VSTOR_PCI_REGISTERS_H
#define VSTOR_PCI_REGISTERS_H

#define PCI_N_DEVICES         32u
#define PCI_N_FUNCTIONS       8u
#define PCI_N_BUSES           256u
#define PCI_CONFIG_BYTES      256u  /* conventional PCI */
#define PCI_CONFIG_BYTES_PCIE 4096u /* with the extended space of PCI Express */

/* Common to all header types (7.5.1.1) */
#define PCI_VENDOR_ID           0x00u
#define PCI_VENDOR_ID_NONE      0xffffu
#define PCI_COMMAND             0x04u
#define PCI_COMMAND_IO          0x0001u
#define PCI_COMMAND_MEMORY      0x0002u
#define PCI_COMMAND_BUS_MASTER  0x0004u
#define PCI_COMMAND_INTX_OFF    0x0400u
#define PCI_COMMAND_DECODING    (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)
#define PCI_STATUS_CAPABILITIES 0x0010u /* in the status register, the upper half of 0x04 */
#define PCI_REVISION_ID         0x08u   /* and the class code in the upper three bytes */
#define PCI_CACHE_LINE_SIZE     0x0cu   /* the header type is the third byte of this register */
#define PCI_HEADER_TYPE         0x0eu
#define PCI_HEADER_DEVICE       0x00u
#define PCI_HEADER_BRIDGE       0x01u
#define PCI_HEADER_CARDBUS      0x02u
#define PCI_HEADER_LAYOUT       0x7fu
#define PCI_HEADER_MULTI        0x80u
#define PCI_BAR0                0x10u
#define PCI_CAPABILITIES        0x34u
#define PCI_INTERRUPT_LINE      0x3cu /* and the pin in the second byte */

/* Base address registers (7.5.1.2.1) */
#define PCI_BAR_IS_IO        0x1u
#define PCI_BAR_MEMORY_TYPE  0x6u
#define PCI_BAR_TYPE_32      0x0u
#define PCI_BAR_TYPE_64      0x4u
#define PCI_BAR_PREFETCHABLE 0x8u
#define PCI_BAR_IO_FLAGS     0x3u
#define PCI_BAR_MEMORY_FLAGS 0xfu

/* Header type 0 (7.5.1.2) */
#define PCI_SUBSYSTEM_VENDOR_ID 0x2cu /* and the subsystem id in the upper half */
#define PCI_ROM_ADDRESS         0x30u

/* Header type 1 (7.5.1.3; PCI-to-PCI bridge 1.2, 3.2.5) */
#define PCI_PRIMARY_BUS        0x18u /* secondary, subordinate, secondary latency timer follow */
#define PCI_IO_BASE            0x1cu
#define PCI_IO_LIMIT           0x1du
#define PCI_MEMORY_BASE        0x20u
#define PCI_MEMORY_LIMIT       0x22u
#define PCI_PREF_BASE          0x24u
#define PCI_PREF_LIMIT         0x26u
#define PCI_PREF_BASE_UPPER    0x28u
#define PCI_PREF_LIMIT_UPPER   0x2cu
#define PCI_IO_BASE_UPPER      0x30u
#define PCI_IO_LIMIT_UPPER     0x32u
#define PCI_ROM_ADDRESS_BRIDGE 0x38u
#define PCI_WINDOW_TYPE        0x0fu /* of I/O and prefetchable base and limit */
#define PCI_WINDOW_WIDE        0x01u /* 32-bit I/O, 64-bit prefetchable */

/* Header type 2 */
#define PCI_CARDBUS_CAPABILITIES 0x14u

/* Capabilities (7.5.3) */
#define PCI_CAPABILITY_FIRST   0x40u
#define PCI_CAPABILITY_POINTER 0xfcu /* the two lowest bits are reserved */
#define PCI_CAPABILITY_ID_PCIE 0x10u
#define PCI_CAPABILITY_ID_MSIX 0x11u
#define PCI_EXPRESS_FLAGS      0x02u /* in the PCI Express capability: device/port type in bits 7:4 */
#define PCI_EXPRESS_ROOT_PORT  0x4u
#define PCI_EXPRESS_DOWNSTREAM 0x6u
#define PCI_EXPRESS_FROM_PCI   0x8u /* a PCI to PCI Express bridge */

#define PCI_EXPRESS_HAS_SLOT   0x0100u /* of the flags */
#define PCI_EXPRESS_LINK_CAPABILITIES 0x0cu /* 32 bits */
#define PCI_EXPRESS_LINK_TELLS        0x00100000u
#define PCI_EXPRESS_LINK_STATUS       0x12u
#define PCI_EXPRESS_LINK_ACTIVE       0x2000u
#define PCI_EXPRESS_SLOT_CAPABILITIES 0x14u /* 32 bits */
#define PCI_EXPRESS_SLOT_CONTROL      0x18u
#define PCI_EXPRESS_SLOT_STATUS       0x1au
#define PCI_EXPRESS_CAPABILITY_BYTES  0x1cu /* as far as slot status */

/* Slot capabilities, control and status (7.5.3.9 to 7.5.3.11) */
#define PCI_SLOT_HAS_POWER_CONTROLLER 0x00000002u
#define PCI_SLOT_HAS_POWER_INDICATOR  0x00000010u
#define PCI_SLOT_HOT_PLUG             0x00000040u
#define PCI_SLOT_NEVER_CONFIRMS       0x00040000u
#define PCI_SLOT_POWER_INDICATOR      0x0300u
#define PCI_SLOT_INDICATOR_ON         0x0100u
#define PCI_SLOT_INDICATOR_OFF        0x0300u
#define PCI_SLOT_POWER_OFF            0x0400u
#define PCI_SLOT_BUTTON_PRESSED       0x0001u
#define PCI_SLOT_PRESENCE_CHANGED     0x0008u
#define PCI_SLOT_COMMAND_DONE         0x0010u
#define PCI_SLOT_PRESENT              0x0040u
#define PCI_SLOT_LINK_CHANGED         0x0100u
#define PCI_SLOT_EVENTS               0x011fu /* all that is cleared by writing ones */

/* MSI-X capability (7.7.2) */
#define PCI_MSIX_CAPABILITY_BYTES 12u
#define PCI_MSIX_CONTROL          0x02u /* 16 bits */
#define PCI_MSIX_LAST_ENTRY       0x07ffu
#define PCI_MSIX_FUNCTION_MASK    0x4000u
#define PCI_MSIX_ENABLE           0x8000u
#define PCI_MSIX_TABLE            0x04u
#define PCI_MSIX_PENDING          0x08u
#define PCI_MSIX_BAR              0x7u /* of table and pending register; the rest is the offset */
#define PCI_MSIX_ENTRY_MASKED     0x1u /* in the vector control of an entry */

/* Classes whose treatment differs */
#define PCI_CLASS_BRIDGE  0x06u
#define PCI_SUBCLASS_HOST 0x00u

#endif
