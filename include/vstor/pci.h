/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vstor/pci.h: finding PCI functions and making them usable.
 *
 * Order of calls: describe the host (struct vst_pci_host), vst_pci_scan, vst_pci_assign, then for each function that is
 * wanted vst_pci_enable. None of these blocks; all are for one CPU at a time.
 */
#ifndef VSTOR_PCI_H
#define VSTOR_PCI_H

#include <vstor/platform.h>

VST_BEGIN_C

/** Base address registers of an ordinary function. (PCIe 4, 7.5.1.2.1) */
#define VST_PCI_N_BARS          6u
#define VST_PCI_MAX_CAPABILITIES 48u /**< as many as fit 192 bytes of 4-byte capabilities */
/** VIRTIO 1.2, 4.1.2 */
#define VST_PCI_VENDOR_VIRTIO   0x1af4u

/** What a BAR maps. */
enum vst_pci_bar_kind {
    VST_PCI_BAR_NONE,       /**< not implemented, or the upper half of the 64-bit BAR before it */
    VST_PCI_BAR_IO,         /**< I/O ports */
    VST_PCI_BAR_MEMORY32,   /**< memory below 4 GiB */
    VST_PCI_BAR_MEMORY64,   /**< memory anywhere; takes two BAR registers */
};

/** One base address register, read and sized. */
struct vst_pci_bar {
    enum vst_pci_bar_kind kind;
    bool prefetchable;
    bool assigned;    /**< address is valid (firmware or vst_pci_assign gave it) */
    uint64_t address; /**< CPU physical address, or port number */
    uint64_t bytes;   /**< a power of two, 0 for VST_PCI_BAR_NONE */
};

/** One entry of a capability list, position checked. (PCIe 4, 7.5.3) */
struct vst_pci_capability {
    uint8_t id;
    uint8_t offset; /**< in configuration space, 0x40 to 0xfc, multiple of 4 */
};

/** Memory or port range that a bridge passes on. Empty when first > last. */
struct vst_pci_window {
    uint64_t first;
    uint64_t last;
};

/** One PCI function as the scan found it: plain checked values, nothing to be trusted again. */
struct vst_pci_function {
    struct vst_pci_address address;
    uint16_t vendor_id, device_id;
    uint16_t subsystem_vendor_id, subsystem_id; /**< header type 0 only, else 0 */
    uint8_t base_class, sub_class, programming_interface, revision;
    uint8_t header_type; /**< 0 device, 1 PCI-to-PCI bridge, 2 CardBus; multifunction bit removed */
    uint8_t interrupt_pin; /**< 0 none, 1 INTA to 4 INTD */
    uint8_t interrupt_line;
    uint16_t command; /**< command register as the scan found it */
    struct vst_pci_bar bars[VST_PCI_N_BARS];
    uint8_t n_capabilities;
    bool capabilities_malformed; /**< the list loops or leaves its range; what came before is kept */
    struct vst_pci_capability capabilities[VST_PCI_MAX_CAPABILITIES];
    /* bridges (header type 1) only */
    uint8_t secondary_bus, subordinate_bus;
    struct vst_pci_window bridge_io, bridge_memory, bridge_prefetchable;
    bool fresh;     /**< found by the last scan or rescan, not before */
    int32_t parent; /**< index of the bridge above in the scan's array, -1 on a root bus */
};

/**
 * What the machine says of its PCI. Windows are where BARs that firmware left at 0 may be placed; the ranges of BARs
 * already assigned inside them are avoided. An empty window means nothing can be placed there.
 */
struct vst_pci_host {
    const struct vst_platform *platform;
    uint16_t segment;
    uint8_t first_bus, last_bus; /**< buses that configuration access reaches */
    struct vst_pci_window io, memory_below_4g, memory_above_4g;
};

/**
 * Finds every function: from each root bus through all bridges (buses firmware left unnumbered are numbered), then any
 * further root bus. BARs are sized with decoding off and decoding is restored. Fills `functions` in ascending order of
 * bus, device, function and stores their number. VST_ERR_TOO_LARGE if there are more than `max` (the first `max` found,
 * root buses first, are stored), VST_ERR_INVALID if the host has no bus. A bridge for which no bus number was left has
 * secondary_bus 0 and nothing behind it. Takes about 2 KiB of stack. (PCIe 4, 7.5; PCI-to-PCI bridge 1.2, 3.2)
 */
enum vst_status vst_pci_scan(const struct vst_pci_host *host, struct vst_pci_function *functions, size_t max,
                             size_t *n_functions) VST_MUST_USE;

/**
 * Looks again, while devices are in use: at every bus of the array, not for root buses. What does
 * not answer any more, or is another device by now, leaves the array; what is new is added, `fresh`,
 * and its bridges are numbered and followed. Nothing is written to functions that stay but bus
 * numbers of bridges that take in more. Elements move: indices and pointers to them end. vst_pci_assign and
 * vst_pci_enable follow as after a scan. Errors: those of vst_pci_scan.
 */
enum vst_status vst_pci_rescan(const struct vst_pci_host *host, struct vst_pci_function *functions, size_t max,
                               size_t *n_functions) VST_MUST_USE;

/** Whether some function answers at this address. */
bool vst_pci_is_present(const struct vst_platform *platform, struct vst_pci_address address);

/**
 * Places every BAR and bridge window that firmware left at 0, largest first, inside the host's windows, and programs
 * them; takes the array as vst_pci_scan left it. What is assigned stays where it is, and so does a bridge's window with
 * something assigned in it; an idle window that is too small is placed anew. 64-bit BARs go above 4 GiB where they can.
 * VST_ERR_NO_MEMORY if something did not fit: the rest is placed all the same and what did not fit has `assigned` false.
 * With `all`, forgets what firmware did, bus numbers excepted, and places everything anew (the caller vouches that no
 * device is in use); expansion ROMs are then disabled. Decoding of each function is left as it was, but for what would
 * claim address 0. Host bridges are never touched. Touches nothing if all BARs have an address and `all` is false.
 */
enum vst_status vst_pci_assign(const struct vst_pci_host *host, struct vst_pci_function *functions, size_t n_functions,
                               bool all) VST_MUST_USE;

/**
 * Lets the function decode memory and ports, and each bridge above it pass that on and master the bus. The function's own
 * bus mastering is switched off: firmware may have left the device running, and it shall reach no memory before its
 * driver has reset it (the drivers of this library do that, then call vst_pci_bus_master_enable). INTx is switched off
 * until a driver asks for it. Ports (or memory) are left out if the function has such BARs and none of them has an address.
 * `functions` is the array of the scan, `function` an element or a copy of one. (PCIe 4, 7.5.1.1.3)
 */
void vst_pci_enable(const struct vst_platform *platform, const struct vst_pci_function *functions,
                    const struct vst_pci_function *function);

/** Lets the function read and write memory. */
void vst_pci_bus_master_enable(const struct vst_platform *platform, const struct vst_pci_function *function);

/** Stops decoding and bus mastering of the function itself. */
void vst_pci_disable(const struct vst_platform *platform, const struct vst_pci_function *function);

/**
 * Allows (or forbids) the function its INTx line. Only for a function with an interrupt_pin. MSI-X that is found enabled,
 * left so by somebody before, is switched off: it would keep the line silent. (PCIe 4, 7.5.1.1.3, 6.1.4.3)
 */
void vst_pci_intx_enable(const struct vst_platform *platform, const struct vst_pci_function *function, bool enable);

/** Where the MSI-X structures of a function lie, checked: both wholly inside assigned memory BARs, apart from each
 * other. (PCIe 4, 7.7.2) */
struct vst_pci_msix_structures {
    uint8_t capability_offset;
    uint8_t table_bar, pending_bar; /**< 0 to 5 */
    uint16_t n_entries;             /**< 1 to 2048 */
    uint32_t table_offset_bytes, pending_offset_bytes;
};

/**
 * Reads and checks the MSI-X capability. VST_ERR_NOT_FOUND if there is none, VST_ERR_MALFORMED if it makes no sense,
 * VST_ERR_UNSUPPORTED if its BARs have no address.
 */
enum vst_status vst_pci_msix_parse(const struct vst_platform *platform, const struct vst_pci_function *function,
                                   struct vst_pci_msix_structures *structures) VST_MUST_USE;

/**
 * MSI-X of one function. Order of calls: open, set and unmask for each entry that is wanted, enable; the last two in
 * either order. Owned by the caller, who looks at `structures.n_entries` only. One CPU at a time; interrupts may come
 * meanwhile. None of the functions blocks.
 *
 * Each of them returns VST_ERR_BROKEN if the device did not take what was written (read back). Then another way must
 * be gone: fewer vectors, INTx, polling.
 */
struct vst_pci_msix {
    const struct vst_platform *platform;
    struct vst_pci_address address;
    struct vst_pci_msix_structures structures;
    void *table;
    bool enabled;
};

/**
 * Parses, maps the table and masks all entries; MSI-X is disabled afterwards. Memory must be decoded
 * (vst_pci_enable). Errors: those of vst_pci_msix_parse, and VST_ERR_NO_MEMORY if the table can't be mapped.
 */
enum vst_status vst_pci_msix_open(const struct vst_platform *platform, const struct vst_pci_function *function,
                                  struct vst_pci_msix *msix) VST_MUST_USE;

/**
 * Tells what an entry writes to where when it interrupts. It is masked while it changes and keeps its mask
 * afterwards: after open, unmask follows. VST_ERR_INVALID for an entry that there is not or an address not a multiple
 * of 4.
 */
enum vst_status vst_pci_msix_set(struct vst_pci_msix *msix, unsigned entry, uint64_t address,
                                 uint32_t data) VST_MUST_USE;

/** A masked entry remembers one interrupt and sends it when it is unmasked. VST_ERR_INVALID as above. */
enum vst_status vst_pci_msix_mask(struct vst_pci_msix *msix, unsigned entry) VST_MUST_USE;
/** See vst_pci_msix_mask. */
enum vst_status vst_pci_msix_unmask(struct vst_pci_msix *msix, unsigned entry) VST_MUST_USE;

/**
 * Switches MSI-X of the function on or off; it uses no INTx while it is on. Entries keep what they have. Off is also
 * what ends the use: call it before the device goes to somebody else. Note that legacy virtio moves its configuration
 * by four bytes while MSI-X is on (VIRTIO 1.2, 4.1.4.10).
 */
enum vst_status vst_pci_msix_enable(struct vst_pci_msix *msix, bool enable) VST_MUST_USE;

/*
 * Hot-plug slots of PCI Express ports. Each is asked now and then (ten times a second, say), or when
 * its port interrupts, which is not switched on here:
 *
 *     switch (vst_pci_slot_poll(platform, slot))
 *     ARRIVED  vst_pci_slot_power(.., true), vst_pci_rescan, vst_pci_assign, attach what is new
 *     LEAVING  let go of all that is behind the port, vst_pci_slot_power(.., false), vst_pci_rescan
 *     LEFT     the same; what was behind it is gone already
 */
/** What has become of a slot. */
enum vst_pci_slot_event {
    VST_PCI_SLOT_QUIET,
    VST_PCI_SLOT_ARRIVED, /**< something stands in it that was not there, or had no power */
    VST_PCI_SLOT_LEAVING, /**< its attention button was pressed: it is to be emptied */
    VST_PCI_SLOT_LEFT,    /**< it was emptied, or changed, without asking */
};

/** A port with a slot that can be hot-plugged. The caller's; filled by vst_pci_slots. */
struct vst_pci_slot {
    struct vst_pci_address port;
    uint8_t capability_offset; /**< of the port's PCI Express capability */
    bool powers;               /**< it has a power controller */
    bool indicates;            /**< it has a power indicator */
    bool confirms;             /**< it tells when a command is done */
    bool tells_link;           /**< it tells when the link below is up */
    bool occupied;             /**< what the caller was told */
    bool leaving;              /**< its last occupant was told to leave, and may still stand there */
    uint64_t off_ns;           /**< when it was switched off */
};

/**
 * Lists the slots that can be hot-plugged; stores at most `max`, returns how many (up to `max`). A
 * slot with something in it that has power counts as occupied: nothing is told of it. (PCIe 4,
 * 7.5.3.9)
 */
size_t vst_pci_slots(const struct vst_platform *platform, const struct vst_pci_function *functions,
                     size_t n_functions, struct vst_pci_slot *slots, size_t max);

/** Looks what has happened to a slot since the last call, and acknowledges it. (PCIe 4, 6.7.3, 7.5.3.11) */
enum vst_pci_slot_event vst_pci_slot_poll(const struct vst_platform *platform,
                                          struct vst_pci_slot *slot) VST_MUST_USE;

/**
 * Switches power (and its indicator) on or off. On: blocks until what is in it may be asked for its
 * configuration, 100 ms, at most 3.1 seconds; VST_ERR_TIMEOUT if its link does not come up. Off: at
 * most a second; nothing behind it reaches memory afterwards. The button's five seconds for a change
 * of mind are not waited for: whoever pressed it was a host. (PCIe 4, 6.7.1.8, 6.7.3, 6.6.1)
 */
enum vst_status vst_pci_slot_power(const struct vst_platform *platform, struct vst_pci_slot *slot,
                                   bool on) VST_MUST_USE;

/** "0000:00:05.0" into at least 13 bytes of text; returns text. */
char *vst_pci_address_text(struct vst_pci_address address, char text[13]);

/** English name of a class, e.g. "SCSI storage controller"; "unknown class" where there is none. */
const char *vst_pci_class_name(uint8_t base_class, uint8_t sub_class);

/** English name of a capability id, e.g. "MSI-X"; "unknown" where there is none. */
const char *vst_pci_capability_name(uint8_t id);

/*
 * Two ways to reach configuration space on PC-like machines, for platforms that have them. Both are usable as the
 * bodies of vst_platform.pci_config_read and _write.
 */

/** Memory-mapped configuration space (PCIe 4, 7.2.2). `base` maps bus `first_bus` at its beginning. */
struct vst_pci_ecam {
    void *base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
};
/** 1, 2 or 4 bytes; all ones where nothing is mapped or nothing answers. */
uint32_t vst_pci_ecam_read(const struct vst_pci_ecam *ecam, struct vst_pci_address address, uint16_t offset,
                           uint8_t width_bytes);
/** Goes nowhere where nothing is mapped. */
void vst_pci_ecam_write(const struct vst_pci_ecam *ecam, struct vst_pci_address address, uint16_t offset,
                        uint8_t width_bytes, uint32_t value);

/** Ports CF8/CFC (PCI 3.0, 3.2.2.3.2): segment 0, offsets below 256. Reads all ones where ports do not exist. */
uint32_t vst_pci_port_read(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes);
/** See vst_pci_port_read. */
void vst_pci_port_write(struct vst_pci_address address, uint16_t offset, uint8_t width_bytes, uint32_t value);

VST_END_C

#endif
