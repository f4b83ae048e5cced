/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "boot/kernel/log.h"
#include "boot/kernel/option_words.h"
#include "boot/kernel/options.h"

#define TRACE_EVENTS   1024u /* of each queue: 24 KiB */
#define PREFIX         "vstor."
#define NS_PER_MS      1000000ull
#define MAX_TIMEOUT_MS 3600000u
#define MAX_CPUS       64u

#define DEFAULT_BOUNCE_KIB 4096u
#define MAX_BOUNCE_KIB     1048576u

static bool parse_number(const char *text, unsigned long max, unsigned long *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *number = strtoul(text, &end, 0);
    return *end == '\0' && *number <= max;
}

static bool parse_u16(const char *text, uint16_t *value)
{
    unsigned long number;

    if (!parse_number(text, UINT16_MAX, &number))
        return false;
    *value = (uint16_t)number;
    return true;
}

static bool set_log(struct options *options, const char *value)
{
    static const char *const names[] = {
        [VST_LOG_ERROR] = "error",
        [VST_LOG_WARNING] = "warning",
        [VST_LOG_INFO] = "info",
        [VST_LOG_DEBUG] = "debug",
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->log_level = (enum vst_log_level)i;
            return true;
        }
    }
    return false;
}

/* "-NAME,-NAME" */
static bool set_features(struct options *options, const char *value)
{
    char name[OPTION_WORD_BYTES];
    uint64_t refused = 0, scsi_refused = 0;

    while (*value != '\0') {
        size_t length = strcspn(value, ",");
        if (value[0] != '-' || length >= sizeof(name))
            return false;
        memcpy(name, value + 1, length - 1);
        name[length - 1] = '\0';
        int bit = vst_virtio_feature_bit(name);
        int scsi_bit = vst_virtio_feature_bit_of(VST_VIRTIO_TYPE_SCSI, name);
        if ((bit < 0 || bit > 63) && (scsi_bit < 0 || scsi_bit > 63))
            return false;
        refused |= bit >= 0 ? 1ull << bit : 0;
        scsi_refused |= scsi_bit >= 0 ? 1ull << scsi_bit : 0;
        value += length + (value[length] == ',');
    }
    options->blk.refused_features |= refused;
    options->scsi_refused_features |= scsi_refused;
    return true;
}

static bool set_ring(struct options *options, const char *value)
{
    uint64_t packed = 1ull << vst_virtio_feature_bit("RING_PACKED");

    if (strcmp(value, "split") != 0 && strcmp(value, "packed") != 0)
        return false;
    options->blk.refused_features &= ~packed;
    options->scsi_refused_features &= ~packed;
    if (strcmp(value, "split") == 0) {
        options->blk.refused_features |= packed;
        options->scsi_refused_features |= packed;
    }
    return true;
}

static bool set_queue_size(struct options *options, const char *value)
{
    return parse_u16(value, &options->blk.queue_size);
}

static bool set_segments(struct options *options, const char *value)
{
    return parse_u16(value, &options->blk.max_segments);
}

static bool set_timeout(struct options *options, const char *value)
{
    unsigned long ms;

    if (!parse_number(value, MAX_TIMEOUT_MS, &ms))
        return false;
    options->blk.timeout_ns = ms * NS_PER_MS;
    return true;
}

static bool set_cpus(struct options *options, const char *value)
{
    unsigned long number;

    if (!parse_number(value, MAX_CPUS, &number) || number == 0)
        return false;
    options->n_cpus = (unsigned)number;
    return true;
}

static bool set_pci(struct options *options, const char *value)
{
    if (strcmp(value, "reassign") != 0)
        return false;
    options->pci_reassign = true;
    return true;
}

static bool set_interactive(struct options *options, const char *value)
{
    unsigned long number;

    if (!parse_number(value, 1, &number))
        return false;
    options->interactive = number;
    return true;
}

/* "/test.cmd@vda1": the device is behind the last '@'. */
static bool set_cmd(struct options *options, const char *value)
{
    const char *at = strrchr(value, '@');
    size_t bytes = sizeof(options->first_command);

    if (at == NULL || at == value || at[1] == '\0' || strpbrk(value, "\"'\\;") != NULL)
        return false;
    return (size_t)snprintf(options->first_command, bytes, "source %s \"%.*s\"", at + 1,
                            (int)(at - value), value) < bytes;
}

static bool set_transport(struct options *options, const char *value)
{
    static const char *const names[] = {
        [VST_VIRTIO_PCI_AUTO] = "auto",
        [VST_VIRTIO_PCI_LEGACY] = "legacy",
        [VST_VIRTIO_PCI_WINDOW] = "pci-cfg",
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->blk.pci.way = (enum vst_virtio_pci_way)i;
            return true;
        }
    }
    return false;
}

static bool set_irq(struct options *options, const char *value)
{
    static const char *const names[] = {
        [VST_IRQ_POLL] = "poll",
        [VST_IRQ_INTX] = "intx",
        [VST_IRQ_MSIX] = "msix",
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->blk.irq.mode = (enum vst_irq_mode)i;
            return true;
        }
    }
    return false;
}

static bool set_queues(struct options *options, const char *value)
{
    unsigned long number;

    if (!parse_number(value, VST_VIRTIO_BLK_MAX_QUEUES, &number) || number == 0)
        return false;
    options->blk.n_queues = (uint16_t)number;
    return true;
}

static bool set_recovery(struct options *options, const char *value)
{
    static const char *const names[] = {
        [VST_RECOVERY_DEVICE] = "device",
        [VST_RECOVERY_QUEUE] = "queue",
        [VST_RECOVERY_NONE] = "off",
    };

    for (size_t i = 0; i < VST_ARRAY_LENGTH(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            options->blk.recovery = (enum vst_recovery)i;
            return true;
        }
    }
    return false;
}

static bool set_notify(struct options *options, const char *value)
{
    options->blk.pci.notify_by_port = strcmp(value, "pio") == 0;
    return options->blk.pci.notify_by_port || strcmp(value, "mmio") == 0;
}

/* "direct", "bounce", or "bounce:KIB" */
static bool set_dma(struct options *options, const char *value)
{
    static const char bounce[] = "bounce";
    unsigned long kib = DEFAULT_BOUNCE_KIB;

    if (strcmp(value, "direct") == 0) {
        options->bounce_bytes = 0;
        return true;
    }
    if (strncmp(value, bounce, strlen(bounce)) != 0)
        return false;
    value += strlen(bounce);
    if (*value != '\0' && (*value != ':' || !parse_number(value + 1, MAX_BOUNCE_KIB, &kib) ||
                           kib < VST_BOUNCE_GRANULE_BYTES >> 10))
        return false;
    options->bounce_bytes = (size_t)kib << 10;
    return true;
}

static bool set_iommu(struct options *options, const char *value)
{
    options->iommu_keep = strcmp(value, "keep") == 0;
    return options->iommu_keep || strcmp(value, "bypass") == 0;
}

static const struct {
    const char *name;
    bool (*set)(struct options *options, const char *value);
} known[] = {
    {"log", set_log},
    {"features", set_features},
    {"ring", set_ring},
    {"queue_size", set_queue_size},
    {"segments", set_segments},
    {"timeout", set_timeout},
    {"cpus", set_cpus},
    {"pci", set_pci},
    {"transport", set_transport},
    {"notify", set_notify},
    {"irq", set_irq},
    {"queues", set_queues},
    {"recovery", set_recovery},
    {"dma", set_dma},
    {"iommu", set_iommu},
    {"interactive", set_interactive},
    {"cmd", set_cmd},
};

static void take_option(void *ctx, char *word)
{
    struct options *options = ctx;
    char *value = strchr(word, '=');

    if (value != NULL)
        *value++ = '\0';
    for (size_t i = 0; i < VST_ARRAY_LENGTH(known); i++) {
        if (strcmp(word + strlen(PREFIX), known[i].name) != 0)
            continue;
        if (value == NULL || !known[i].set(options, value))
            log_printf(VST_LOG_WARNING, "%s: \"%s\" makes no sense here", word,
                       value != NULL ? value : "");
        return;
    }
    log_printf(VST_LOG_WARNING, "%s: no such option", word);
}

void options_take(struct options *options, char *line)
{
    *options = (struct options){.log_level = VST_LOG_WARNING, .interactive = true};
    options->blk.n_trace_events = TRACE_EVENTS;
    option_words_cut(line, PREFIX, take_option, options);
}

struct vst_virtio_scsi_config options_scsi(const struct options *options)
{
    return (struct vst_virtio_scsi_config){
        .queue_size = options->blk.queue_size,
        .max_segments = options->blk.max_segments,
        .refused_features = options->scsi_refused_features,
        .timeout_ns = options->blk.timeout_ns,
        .pci = options->blk.pci,
        .n_queues = options->blk.n_queues,
        .irq = options->blk.irq,
        .recovery = options->blk.recovery,
        .n_trace_events = options->blk.n_trace_events,
    };
}
