/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk: how the device is to interrupt, decided while it is attached. */
#include "drivers/virtio_blk.h"

/** INTx needs a register to acknowledge at, and one that a handler can read at any time. */
static bool can_intx(const struct blk_device *blk)
{
    if (!blk->is_pci)
        return true; /* virtio-mmio has a line and nothing else (4.2.3.4) */
    if (blk->function.interrupt_pin == 0)
        return false;
    return blk->virtio.legacy || blk->pci.isr.kind == VIRTIO_REGISTERS_MMIO ||
           blk->pci.isr.kind == VIRTIO_REGISTERS_PORT;
}

static void use_intx(struct blk_device *blk)
{
    if (!can_intx(blk)) {
        vst_log(blk->base.platform, VST_LOG_WARNING, "%s: no INTx; polling", blk->virtio.name);
        return;
    }
    blk->irq_mode = VST_IRQ_INTX;
}

void vst_virtio_blk_irq_fall_back(struct blk_device *blk, const char *why)
{
    bool intx = blk->config.irq.intx_instead && can_intx(blk);

    vst_log(blk->base.platform, VST_LOG_WARNING, "%s: no MSI-X: %s; %s instead", blk->virtio.name,
            why, intx ? "INTx" : "polling");
    if (blk->msix.enabled && vst_pci_msix_enable(&blk->msix, false) != VST_OK)
        intx = false;
    blk->irq_mode = VST_IRQ_POLL;
    blk->n_vectors = 0;
    if (intx)
        use_intx(blk);
}

static enum vst_status program_entries(struct blk_device *blk)
{
    enum vst_status status = VST_OK;

    for (uint16_t i = 0; i < blk->n_vectors && status == VST_OK; i++) {
        const struct vst_irq_message *message = &blk->config.irq.messages[i];
        status = vst_pci_msix_set(&blk->msix, i, message->address, message->data);
        if (status == VST_OK)
            status = vst_pci_msix_unmask(&blk->msix, i);
    }
    return status == VST_OK ? vst_pci_msix_enable(&blk->msix, true) : status;
}

static void use_msix(struct blk_device *blk)
{
    uint16_t n = blk->config.irq.n_messages;

    if (!blk->is_pci || n == 0) {
        vst_virtio_blk_irq_fall_back(blk, blk->is_pci ? "no message given" : "not PCI");
        return;
    }
    enum vst_status status = vst_pci_msix_open(blk->base.platform, &blk->function, &blk->msix);
    if (status == VST_OK) {
        if (n > blk->base.n_queues + 1) /* one more: for changes of configuration */
            n = (uint16_t)(blk->base.n_queues + 1);
        if (n > blk->msix.structures.n_entries)
            n = blk->msix.structures.n_entries;
        blk->n_vectors = n;
        status = program_entries(blk);
    }
    if (status != VST_OK) {
        vst_virtio_blk_irq_fall_back(blk, vst_status_text(status));
        return;
    }
    vst_virtio_blk_irq_set_config_vector(blk);
    blk->irq_mode = VST_IRQ_MSIX;
    if (n < blk->base.n_queues)
        vst_log(blk->base.platform, VST_LOG_INFO, "%s: %u vectors for %u queues", blk->virtio.name,
                n, blk->base.n_queues);
}

void vst_virtio_blk_irq_open(struct blk_device *blk)
{
    switch (blk->config.irq.mode) {
    case VST_IRQ_POLL:
        break;
    case VST_IRQ_INTX:
        use_intx(blk);
        break;
    case VST_IRQ_MSIX:
        use_msix(blk);
        break;
    }
}

void vst_virtio_blk_irq_start(struct blk_device *blk)
{
    if (blk->irq_mode != VST_IRQ_INTX)
        return;
    /* QEMU interrupts at the first completion of a split queue even if it was asked not to. */
    (void)vst_virtio_blk_interrupt(&blk->base);
    if (blk->is_pci)
        vst_pci_intx_enable(blk->base.platform, &blk->function, true);
}

void vst_virtio_blk_irq_again(struct blk_device *blk)
{
    if (blk->irq_mode == VST_IRQ_MSIX)
        vst_virtio_blk_irq_set_config_vector(blk);
    if (blk->irq_mode == VST_IRQ_INTX)
        (void)vst_virtio_blk_interrupt(&blk->base);
}

uint16_t vst_virtio_blk_irq_vector(const struct blk_device *blk, uint16_t queue)
{
    if (blk->irq_mode != VST_IRQ_MSIX)
        return VIRTIO_NO_VECTOR;
    return queue < blk->n_vectors ? queue : (uint16_t)(blk->n_vectors - 1);
}

void vst_virtio_blk_irq_close(struct blk_device *blk)
{
    if (blk->msix.enabled && vst_pci_msix_enable(&blk->msix, false) != VST_OK)
        vst_log(blk->base.platform, VST_LOG_WARNING, "%s: MSI-X stays on", blk->virtio.name);
    if (blk->is_pci && blk->irq_mode == VST_IRQ_INTX)
        vst_pci_intx_enable(blk->base.platform, &blk->function, false);
    blk->irq_mode = VST_IRQ_POLL;
}

bool vst_virtio_blk_interrupt(struct vst_block_device *device)
{
    struct blk_device *blk = VST_CONTAINER_OF(device, struct blk_device, base);
    uint8_t status = blk->virtio.transport->interrupt_status(&blk->virtio);

    if (status == UINT8_MAX) /* nobody there: it is somebody else's interrupt */
        return false;
    if ((status & VIRTIO_INTERRUPT_CONFIG) != 0)
        vst_block_config_interrupted(device);
    return (status & (VIRTIO_INTERRUPT_QUEUE | VIRTIO_INTERRUPT_CONFIG)) != 0;
}
