/* SPDX-License-Identifier: BSD-2-Clause */
#include "drivers/virtio_irq.h"

static const struct vst_platform *platform_of(const struct virtio_irq *irq)
{
    return irq->device->platform;
}

void vst_virtio_irq_init(struct virtio_irq *irq, struct virtio_device *device,
                         const struct vst_pci_function *function,
                         const struct vst_irq_config *config)
{
    *irq = (struct virtio_irq){
        .device = device, .is_pci = function != NULL, .config = *config, .config_vector = 0};
    if (function != NULL)
        irq->function = *function;
}

bool vst_virtio_irq_is_gone(const struct virtio_irq *irq)
{
    return irq->is_pci && !vst_pci_is_present(platform_of(irq), irq->function.address);
}

/** INTx needs a register to acknowledge at, and one that a handler can read at any time. */
static bool can_intx(const struct virtio_irq *irq)
{
    if (!irq->is_pci)
        return true; /* virtio-mmio has a line and nothing else (4.2.3.4) */
    if (irq->function.interrupt_pin == 0)
        return false;
    if (irq->device->legacy)
        return true;
    const struct virtio_pci_device *pci = (const void *)irq->device; /* base comes first */
    return pci->isr.kind == VIRTIO_REGISTERS_MMIO || pci->isr.kind == VIRTIO_REGISTERS_PORT;
}

static void use_intx(struct virtio_irq *irq)
{
    if (!can_intx(irq)) {
        vst_log(platform_of(irq), VST_LOG_WARNING, "%s: no INTx; polling", irq->device->name);
        return;
    }
    irq->mode = VST_IRQ_INTX;
}

void vst_virtio_irq_fall_back(struct virtio_irq *irq, const char *why)
{
    bool intx = irq->config.intx_instead && can_intx(irq);

    vst_log(platform_of(irq), VST_LOG_WARNING, "%s: no MSI-X: %s; %s instead", irq->device->name,
            why, intx ? "INTx" : "polling");
    if (irq->msix.enabled && vst_pci_msix_enable(&irq->msix, false) != VST_OK)
        intx = false;
    irq->mode = VST_IRQ_POLL;
    irq->n_vectors = 0;
    if (intx)
        use_intx(irq);
}

static enum vst_status program_entries(struct virtio_irq *irq)
{
    enum vst_status status = VST_OK;

    for (uint16_t i = 0; i < irq->n_vectors && status == VST_OK; i++) {
        const struct vst_irq_message *message = &irq->config.messages[i];
        status = vst_pci_msix_set(&irq->msix, i, message->address, message->data);
        if (status == VST_OK)
            status = vst_pci_msix_unmask(&irq->msix, i);
    }
    return status == VST_OK ? vst_pci_msix_enable(&irq->msix, true) : status;
}

static void use_msix(struct virtio_irq *irq)
{
    uint16_t n = irq->config.n_messages;

    if (!irq->is_pci || n == 0) {
        vst_virtio_irq_fall_back(irq, irq->is_pci ? "no message given" : "not PCI");
        return;
    }
    enum vst_status status = vst_pci_msix_open(platform_of(irq), &irq->function, &irq->msix);
    if (status == VST_OK) {
        if (n > irq->n_queues + 1) /* one more: for changes of configuration */
            n = (uint16_t)(irq->n_queues + 1);
        if (n > irq->msix.structures.n_entries)
            n = irq->msix.structures.n_entries;
        irq->n_vectors = n;
        status = program_entries(irq);
    }
    if (status != VST_OK) {
        vst_virtio_irq_fall_back(irq, vst_status_text(status));
        return;
    }
    vst_virtio_irq_set_config_vector(irq);
    irq->mode = VST_IRQ_MSIX;
    if (n < irq->n_queues)
        vst_log(platform_of(irq), VST_LOG_INFO, "%s: %u vectors for %u queues", irq->device->name,
                n, irq->n_queues);
}

void vst_virtio_irq_set_config_vector(struct virtio_irq *irq)
{
    const struct virtio_transport *transport = irq->device->transport;
    uint16_t vector = irq->n_vectors > irq->n_queues ? irq->n_queues : 0;

    /* 4.1.5.1.2.1: a device without room for the vector keeps none; what it takes is read back. */
    if (!transport->set_config_vector(irq->device, vector)) {
        vector = 0;
        if (!transport->set_config_vector(irq->device, vector)) {
            vector = VIRTIO_NO_VECTOR;
            vst_log(platform_of(irq), VST_LOG_INFO,
                    "%s: no vector for changes of configuration: they are looked for",
                    irq->device->name);
        }
    }
    irq->config_vector = vector;
}

void vst_virtio_irq_open(struct virtio_irq *irq, uint16_t n_queues)
{
    irq->n_queues = n_queues;
    switch (irq->config.mode) {
    case VST_IRQ_POLL:
        break;
    case VST_IRQ_INTX:
        use_intx(irq);
        break;
    case VST_IRQ_MSIX:
        use_msix(irq);
        break;
    }
}

void vst_virtio_irq_start(struct virtio_irq *irq)
{
    if (irq->mode == VST_IRQ_INTX && irq->is_pci)
        vst_pci_intx_enable(platform_of(irq), &irq->function, true);
}

void vst_virtio_irq_again(struct virtio_irq *irq)
{
    if (irq->mode == VST_IRQ_MSIX)
        vst_virtio_irq_set_config_vector(irq);
}

uint16_t vst_virtio_irq_vector(const struct virtio_irq *irq, uint16_t queue)
{
    if (irq->mode != VST_IRQ_MSIX)
        return VIRTIO_NO_VECTOR;
    return queue < irq->n_vectors ? queue : (uint16_t)(irq->n_vectors - 1);
}

void vst_virtio_irq_close(struct virtio_irq *irq)
{
    if (irq->msix.enabled && vst_pci_msix_enable(&irq->msix, false) != VST_OK)
        vst_log(platform_of(irq), VST_LOG_WARNING, "%s: MSI-X stays on", irq->device->name);
    if (irq->is_pci && irq->mode == VST_IRQ_INTX)
        vst_pci_intx_enable(platform_of(irq), &irq->function, false);
    irq->mode = VST_IRQ_POLL;
}

const char *vst_virtio_irq_mode_name(enum vst_irq_mode mode)
{
    return mode == VST_IRQ_MSIX ? "msix" : mode == VST_IRQ_INTX ? "intx" : "poll";
}

enum vst_status vst_virtio_irq_create_ring(struct virtio_irq *irq, struct virtq *vq,
                                           struct virtq_layout *layout)
{
    struct virtio_device *device = irq->device;
    enum vst_status status = vst_virtq_create(vq, device, layout);

    if (status == VST_ERR_NO_MEMORY && layout->vector != VIRTIO_NO_VECTOR && layout->vector != 0) {
        layout->vector = 0;
        vst_log(device->platform, VST_LOG_INFO, "%s: queue %u shares the first vector",
                device->name, layout->index);
        status = vst_virtq_create(vq, device, layout);
    }
    if (status == VST_ERR_NO_MEMORY && layout->vector != VIRTIO_NO_VECTOR) {
        vst_virtio_irq_fall_back(irq, "the device takes no vector for a queue");
        layout->vector = VIRTIO_NO_VECTOR;
        status = vst_virtq_create(vq, device, layout);
    }
    return status;
}
