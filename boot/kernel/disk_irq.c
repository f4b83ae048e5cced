/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "boot/kernel/cpus.h"
#include "boot/kernel/disk_irq.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/log.h"

/* One message; queues that share it follow one another. Behind those of the queues may be one that
 * tells of changed configuration. */
struct disk_message {
    struct disk_irq *irq;
    struct interrupt interrupt;
};

struct disk_irq {
    struct vst_block_device *device; /* NULL: none yet, or not by interrupts */
    struct vst_scsi_hba *hba;        /* the same */
    uint8_t line;
    bool has_line;
    unsigned n_messages;
    struct vst_irq_message *described;
    struct disk_message *messages;
};

static void told(struct vst_block_queue *queue)
{
    unsigned cpu = queue->index % n_cpus();

    vst_block_interrupted(queue);
    if (cpu != this_cpu()) {
        queue->stats.interrupts_elsewhere++;
        interrupts_wake(cpu);
    }
}

/* An adapter's queue may serve many disks: the one that is waited for is told. */
static void told_adapter(const struct vst_scsi_hba_queue *queue)
{
    struct vst_block_queue *armed = __atomic_load_n(&queue->armed, __ATOMIC_RELAXED);
    unsigned cpu = queue->index % n_cpus();

    if (armed != NULL)
        told(armed);
    else if (cpu != this_cpu())
        interrupts_wake(cpu);
}

static void handle_adapter_message(struct vst_scsi_hba *hba, unsigned number)
{
    if (hba->change_message == number)
        __atomic_store_n(&hba->attention, true, __ATOMIC_RELEASE);
    for (unsigned i = number; i < hba->n_queues; i++)
        if (hba->queues[i]->message == number)
            told_adapter(hba->queues[i]);
}

static void handle_message(void *ctx)
{
    const struct disk_message *message = ctx;
    struct vst_block_device *device = __atomic_load_n(&message->irq->device, __ATOMIC_ACQUIRE);
    struct vst_scsi_hba *hba = __atomic_load_n(&message->irq->hba, __ATOMIC_ACQUIRE);
    unsigned number = (unsigned)(message - message->irq->messages);

    if (hba != NULL)
        handle_adapter_message(hba, number);
    if (device == NULL)
        return;
    if (device->change_message == number) /* perhaps a queue's as well */
        vst_block_config_interrupted(device);
    for (unsigned i = number; i < device->n_queues; i++)
        if (device->queues[i]->message == number)
            told(device->queues[i]);
}

static bool handle_line(void *ctx)
{
    const struct disk_irq *irq = ctx;

    if (irq->hba != NULL) {
        if (!irq->hba->ops->interrupted(irq->hba))
            return false;
        for (unsigned i = 0; i < irq->hba->n_queues; i++)
            told_adapter(irq->hba->queues[i]);
        return true;
    }
    if (irq->device == NULL || !vst_virtio_blk_interrupt(irq->device))
        return false;
    for (unsigned i = 0; i < irq->device->n_queues; i++)
        told(irq->device->queues[i]);
    return true;
}

static void allocate_messages(struct disk_irq *irq, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct disk_message *message = &irq->messages[i];
        message->irq = irq;
        if (interrupts_allocate(i % n_cpus(), handle_message, message, &message->interrupt) !=
            VST_OK)
            break;
        irq->described[i].address = message->interrupt.message_address;
        irq->described[i].data = message->interrupt.message_data;
        irq->n_messages++;
    }
}

static void free_all(struct disk_irq *irq)
{
    bool gone = true;

    for (unsigned i = 0; i < irq->n_messages; i++)
        gone &= interrupts_free(&irq->messages[i].interrupt);
    if (irq->has_line)
        interrupts_free_intx(irq->line, handle_line, irq);
    if (!gone)
        return;
    free(irq->described);
    free(irq->messages);
    free(irq);
}

struct disk_irq *disk_irq_prepare(const struct vst_pci_function *function, unsigned n_queues,
                                  struct vst_irq_config *config)
{
    enum vst_irq_mode mode = config->mode;
    unsigned n = (n_queues > 0 ? n_queues : 1) + 1; /* changes of configuration */
    struct disk_irq *irq = mode != VST_IRQ_POLL ? calloc(1, sizeof(*irq)) : NULL;

    *config = (struct vst_irq_config){.mode = VST_IRQ_POLL};
    if (irq == NULL)
        return NULL;
    irq->described = calloc(n, sizeof(*irq->described));
    irq->messages = calloc(n, sizeof(*irq->messages));
    irq->line = function->interrupt_line;
    /* Line 0 is the timer's: firmware has chosen none for what was plugged in after it ran. */
    irq->has_line = function->interrupt_pin != 0 && irq->line != 0 &&
                    interrupts_allocate_intx(irq->line, handle_line, irq) == VST_OK;
    if (mode == VST_IRQ_MSIX && irq->described != NULL && irq->messages != NULL)
        allocate_messages(irq, n);
    if (mode == VST_IRQ_INTX && !irq->has_line) {
        log_printf(VST_LOG_WARNING, "%02x:%02x.%x: no interrupt line; polling",
                   function->address.bus, function->address.device, function->address.function);
        free_all(irq);
        return NULL;
    }
    *config = (struct vst_irq_config){
        .mode = mode,
        .intx_instead = irq->has_line,
        .n_messages = (uint16_t)irq->n_messages,
        .messages = irq->described,
    };
    return irq;
}

/* False: by another way than was prepared, and all of it has been given back. */
static bool keep(struct disk_irq *irq, const char *mode)
{
    bool msix = mode != NULL && strcmp(mode, "msix") == 0;
    bool intx = mode != NULL && strcmp(mode, "intx") == 0;

    if (!msix && !intx) {
        free_all(irq);
        return false;
    }
    if (!intx && irq->has_line) {
        interrupts_free_intx(irq->line, handle_line, irq);
        irq->has_line = false;
    }
    return true;
}

struct disk_irq *disk_irq_finish(struct disk_irq *irq, struct vst_block_device *device)
{
    if (irq == NULL || !keep(irq, device != NULL ? device->irq_mode : NULL))
        return NULL;
    __atomic_store_n(&irq->device, device, __ATOMIC_RELEASE);
    return irq;
}

void disk_irq_end(struct disk_irq *irq)
{
    if (irq == NULL)
        return;
    __atomic_store_n(&irq->device, NULL, __ATOMIC_RELEASE);
    __atomic_store_n(&irq->hba, NULL, __ATOMIC_RELEASE);
    free_all(irq);
}

struct disk_irq *disk_irq_finish_adapter(struct disk_irq *irq, struct vst_scsi_hba *hba)
{
    if (irq == NULL || !keep(irq, hba != NULL ? hba->irq_mode : NULL))
        return NULL;
    __atomic_store_n(&irq->hba, hba, __ATOMIC_RELEASE);
    return irq;
}
