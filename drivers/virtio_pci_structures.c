/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio structures that a function's capabilities name: parse, then act. (VIRTIO 1.2, 4.1.4) */
#include "drivers/virtio_pci.h"

/* 4.1.4: struct virtio_pci_cap, 16 bytes from the capability's start; notify and 64-bit ones are
 * longer. */
enum { CAP_BYTES = 16, CAP_NOTIFY_BYTES = 20, CAP_WINDOW_BYTES = 20 };

struct structure_rule {
    const char *name;
    uint32_t min_bytes;
    uint32_t align_bytes;
};

static const struct structure_rule *rule_of(uint8_t type)
{
    static const struct structure_rule rules[] = {
        [VIRTIO_PCI_CAP_COMMON_CFG] = {"common configuration", VIRTIO_PCI_COMMON_MIN_BYTES, 4},
        [VIRTIO_PCI_CAP_NOTIFY_CFG] = {"notification", 2, 2},
        [VIRTIO_PCI_CAP_ISR_CFG] = {"interrupt status", 1, 1},
        [VIRTIO_PCI_CAP_DEVICE_CFG] = {"device configuration", 1, 4},
        [VIRTIO_PCI_CAP_PCI_CFG] = {"configuration access window", 0, 1},
        [VIRTIO_PCI_CAP_SHARED_MEMORY_CFG] = {"shared memory", 0, 1},
    };
    return type < VST_ARRAY_LENGTH(rules) && rules[type].name != NULL ? &rules[type] : NULL;
}

const char *vst_virtio_pci_structure_name(uint8_t type)
{
    const struct structure_rule *rule = rule_of(type);
    return rule != NULL ? rule->name : "unknown";
}

/**
 * Why the structure is none, whether its BAR has an address or not; or NULL. The BAR's size bounds
 * it in both cases.
 */
static const char *structure_problem(const struct vst_virtio_pci_structure *s,
                                     const struct vst_pci_function *function)
{
    const struct structure_rule *rule = rule_of(s->type);

    if (rule == NULL)
        return "unknown type";
    if (s->type == VIRTIO_PCI_CAP_PCI_CFG)
        return NULL; /* 4.1.4.9: bar, offset and length are registers of the window, not a place */
    if (s->bar >= VST_PCI_N_BARS)
        return "BAR number above 5";
    const struct vst_pci_bar *bar = &function->bars[s->bar];
    if (bar->kind == VST_PCI_BAR_NONE)
        return "no such BAR";
    if (s->length_bytes < rule->min_bytes)
        return "too short";
    if ((uint64_t)s->offset_bytes + s->length_bytes > bar->bytes)
        return "reaches beyond its BAR";
    if (s->offset_bytes % rule->align_bytes != 0)
        return "misaligned";
    if (s->type == VIRTIO_PCI_CAP_NOTIFY_CFG && s->notify_multiplier != 0 &&
        (!vst_is_power_of_two(s->notify_multiplier) || s->notify_multiplier == 1))
        return "notify multiplier is no even power of two";
    return NULL;
}

/** One vendor capability; false if it is too short to name a structure. */
static bool structure_parse(const struct vst_platform *platform,
                            const struct vst_pci_function *function, uint8_t at,
                            struct vst_virtio_pci_structure *s)
{
    uint32_t words[CAP_NOTIFY_BYTES / 4] = {0};
    uint32_t room = 256u - at;

    for (uint32_t i = 0; i < CAP_NOTIFY_BYTES && i < room; i += 4)
        words[i / 4] =
            platform->pci_config_read(platform->ctx, function->address, (uint16_t)(at + i), 4);
    uint8_t length = (uint8_t)(words[0] >> 16);
    if (length < CAP_BYTES || length > room)
        return false;
    *s = (struct vst_virtio_pci_structure){
        .type = (uint8_t)(words[0] >> 24),
        .bar = (uint8_t)words[1],
        .capability_offset = at,
        .offset_bytes = words[2],
        .length_bytes = words[3],
    };
    if (s->type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
        if (length < CAP_NOTIFY_BYTES)
            return false;
        s->notify_multiplier = words[4];
    }
    if (s->type == VIRTIO_PCI_CAP_PCI_CFG && length < CAP_WINDOW_BYTES)
        return false;
    s->problem = structure_problem(s, function);
    s->sound = s->problem == NULL;
    if (s->sound && s->type != VIRTIO_PCI_CAP_PCI_CFG && !function->bars[s->bar].assigned)
        s->problem = "BAR has no address";
    s->usable = s->problem == NULL;
    return true;
}

size_t vst_virtio_pci_structures(const struct vst_platform *platform,
                                 const struct vst_pci_function *function,
                                 struct vst_virtio_pci_structure *structures, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < function->n_capabilities && n < max; i++)
        if (function->capabilities[i].id == PCI_CAPABILITY_VENDOR &&
            structure_parse(platform, function, function->capabilities[i].offset, &structures[n]))
            n++;
    return n;
}
