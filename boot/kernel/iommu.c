/* SPDX-License-Identifier: BSD-2-Clause */
#include <arch/cpu.h>
#include <arch/mmio.h>

#include "boot/kernel/address_space.h"
#include "boot/kernel/clock.h"
#include "boot/kernel/iommu.h"
#include "boot/kernel/log.h"
#include "boot/kernel/platform.h"
#include "drivers/virtio_transports.h"

#define NS_PER_S 1000000000ull

static bool any_in_the_way;

const char *iommu_obstacle(void)
{
    return any_in_the_way ? "; an IOMMU may keep it from memory, see above" : "";
}

/* ---------------------------------------------------------------- VT-d */

/* VT-d specification 4.0, 11.4: the first of its registers. */
struct vtd_registers {
    mmio_le32 version, reserved, capability[2], extended_capability[2];
    mmio_le32 global_command, global_status;
};
_Static_assert(offsetof(struct vtd_registers, global_status) == 0x1c, "VT-d 4.0, 11.4.5");

#define VTD_REGISTERS_BYTES 4096u
#define VTD_TRANSLATION     (1u << 31)
#define VTD_LASTING_STATUS  0x96ffffffu /* the rest would command something again (11.4.4) */
#define VTD_IS_NOT_THERE    0xffffffffu
#define VTD_PATIENCE_NS     NS_PER_S

static bool translates(const struct vtd_registers *registers)
{
    return (mmio_le32_read(&registers->global_status) & VTD_TRANSLATION) != 0;
}

static bool stop_translation(struct vtd_registers *registers)
{
    uint32_t status = mmio_le32_read(&registers->global_status);
    uint64_t start_ns = clock_ns();

    mmio_le32_write(&registers->global_command, status & VTD_LASTING_STATUS & ~VTD_TRANSLATION);
    while (translates(registers)) {
        if (clock_ns() - start_ns > VTD_PATIENCE_NS)
            return false;
        arch_pause();
    }
    return true;
}

static void look_at_vtd(uint64_t physical, bool keep)
{
    struct vtd_registers *registers = address_space_map_device(physical, VTD_REGISTERS_BYTES);
    unsigned long long at = physical;

    if (registers == NULL || mmio_le32_read(&registers->version) == VTD_IS_NOT_THERE) {
        log_printf(VST_LOG_WARNING, "iommu: no VT-d at 0x%llx, where ACPI has one", at);
        return;
    }
    if (!translates(registers)) {
        log_printf(VST_LOG_INFO, "iommu: VT-d at 0x%llx: translation is off", at);
    } else if (!keep && stop_translation(registers)) {
        log_printf(VST_LOG_WARNING, "iommu: VT-d at 0x%llx: translation was on; turned off", at);
    } else {
        any_in_the_way = true;
        log_printf(VST_LOG_WARNING,
                   "iommu: VT-d at 0x%llx: translation is on%s; disks behind it reach no memory",
                   at, keep ? " and stays on (vstor.iommu=keep)" : " and can't be turned off");
    }
}

/* ---------------------------------------------------------------- virtio-iommu (VIRTIO 1.2, 5.13) */

#define VIRTIO_IOMMU_PCI_ID          0x1057u
#define VIRTIO_IOMMU_F_BYPASS_CONFIG 6
#define VIRTIO_IOMMU_CONFIG_BYPASS   36u

/* 5.13.4: the field outlives the reset at the end. */
static bool let_through(struct virtio_device *device, bool *was_open)
{
    const struct virtio_transport *transport = device->transport;
    uint64_t wanted = VIRTIO_BIT(VIRTIO_IOMMU_F_BYPASS_CONFIG);

    *was_open = false;
    if (vst_virtio_negotiate(device, wanted) != VST_OK ||
        !virtio_has(device, VIRTIO_IOMMU_F_BYPASS_CONFIG) ||
        device->config_bytes <= VIRTIO_IOMMU_CONFIG_BYPASS)
        return false;
    *was_open = transport->config_read(device, VIRTIO_IOMMU_CONFIG_BYPASS, 1) == 1;
    if (!*was_open)
        transport->config_write(device, VIRTIO_IOMMU_CONFIG_BYPASS, 1, 1);
    return transport->config_read(device, VIRTIO_IOMMU_CONFIG_BYPASS, 1) == 1;
}

static void open_virtio_iommu(const struct vst_pci_function *functions,
                              const struct vst_pci_function *function, const char *name)
{
    const struct vst_virtio_pci_choice choice = {VST_VIRTIO_PCI_AUTO, false};
    union virtio_any_device any;
    bool open = false, was_open = false;

    vst_pci_enable(&kernel_platform, functions, function);
    if (vst_virtio_pci_open_any(&any, &kernel_platform, function, &choice) == VST_OK) {
        open = let_through(&any.virtio, &was_open);
        open &= vst_virtio_stop(&any.virtio);
    }
    vst_pci_disable(&kernel_platform, function);
    if (open) {
        log_printf(VST_LOG_INFO, "iommu: virtio-iommu %s: bypass %s", name,
                   was_open ? "is on" : "was off; turned on");
        return;
    }
    any_in_the_way = true;
    log_printf(
        VST_LOG_WARNING,
        "iommu: virtio-iommu %s: bypass can't be turned on; disks behind it may reach no memory",
        name);
}

static void look_at_virtio_iommu(const struct vst_pci_function *functions,
                                 const struct vst_pci_function *function, bool keep)
{
    char name[13];

    vst_pci_address_text(function->address, name);
    if (!keep) {
        open_virtio_iommu(functions, function, name);
        return;
    }
    any_in_the_way = true;
    log_printf(
        VST_LOG_WARNING,
        "iommu: virtio-iommu %s stays as it is (vstor.iommu=keep); without boot-bypass disks "
        "behind it reach no memory",
        name);
}

void iommu_start(const struct acpi_info *acpi, const struct vst_pci_function *functions,
                 size_t n_functions, bool keep)
{
    for (unsigned i = 0; i < acpi->dmar.n_units; i++)
        look_at_vtd(acpi->dmar.registers[i], keep);
    for (size_t i = 0; i < n_functions; i++)
        if (functions[i].vendor_id == VST_PCI_VENDOR_VIRTIO &&
            functions[i].device_id == VIRTIO_IOMMU_PCI_ID)
            look_at_virtio_iommu(functions, &functions[i], keep);
}
