/* SPDX-License-Identifier: BSD-2-Clause */
#include "commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "size.h"

#define ADDRESS_TEXT_BYTES 13
#define TRANSITIONAL_FIRST 0x1000u
#define TRANSITIONAL_LAST  0x103fu
#define MODERN_FIRST       0x1040u
#define MODERN_LAST        0x107fu
#define HEADER_TYPE_BRIDGE 1u

static const char *const options_verbose[] = {"-v", NULL};

/* Name of a virtio device type. (VIRTIO 1.2, 5) */
static const char *virtio_type_name(unsigned type)
{
    static const char *const names[] = {
        [1] = "virtio-net",    [2] = "virtio-blk",     [3] = "virtio-console",
        [4] = "virtio-rng",    [5] = "virtio-balloon", [8] = "virtio-scsi",
        [9] = "virtio-9p",     [16] = "virtio-gpu",    [18] = "virtio-input",
        [19] = "virtio-vsock", [20] = "virtio-crypto", [23] = "virtio-iommu",
        [24] = "virtio-mem",   [25] = "virtio-sound",  [26] = "virtio-fs",
        [27] = "virtio-pmem",  [28] = "virtio-rpmb",
    };

    if (type >= VST_ARRAY_LENGTH(names) || names[type] == NULL)
        return "virtio";
    return names[type];
}

/* The old ids are a list of their own. (VIRTIO 1.2, 4.1.2.1) */
static unsigned transitional_type(unsigned device_id)
{
    static const uint8_t types[] = {1, 2, 5, 3, 8, 4, 0, 0, 0, 9};
    unsigned index = device_id - TRANSITIONAL_FIRST;

    return index < VST_ARRAY_LENGTH(types) ? types[index] : 0;
}

/* NULL for what is not virtio. */
static const char *virtio_name(const struct vst_pci_function *function)
{
    unsigned id = function->device_id;

    if (function->vendor_id != VST_PCI_VENDOR_VIRTIO)
        return NULL;
    if (id >= TRANSITIONAL_FIRST && id <= TRANSITIONAL_LAST)
        return virtio_type_name(transitional_type(id));
    if (id >= MODERN_FIRST && id <= MODERN_LAST)
        return virtio_type_name(id - MODERN_FIRST);
    return NULL;
}

static const char *bar_kind_name(const struct vst_pci_bar *bar)
{
    switch (bar->kind) {
    case VST_PCI_BAR_IO:
        return "io";
    case VST_PCI_BAR_MEMORY32:
        return "memory32";
    case VST_PCI_BAR_MEMORY64:
        return "memory64";
    default:
        return "none";
    }
}

/* ---------------------------------------------------------------- for people */

static void print_bars(const struct vst_pci_function *function)
{
    char size[SIZE_TEXT_BYTES];

    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &function->bars[i];
        if (bar->kind == VST_PCI_BAR_NONE)
            continue;
        printf("  BAR %u: %s", i, bar_kind_name(bar));
        if (bar->assigned)
            printf(" at 0x%" PRIx64, bar->address);
        else
            fputs(" not assigned", stdout);
        printf(", %s%s\n", size_text(bar->bytes, size), bar->prefetchable ? ", prefetchable" : "");
    }
}

static void print_window(const char *name, const struct vst_pci_window *window)
{
    if (window->first <= window->last)
        printf("  window: %s 0x%" PRIx64 "-0x%" PRIx64 "\n", name, window->first, window->last);
}

static void print_bridge(const struct vst_pci_function *function)
{
    if (function->header_type != HEADER_TYPE_BRIDGE)
        return;
    printf("  buses: %02x to %02x behind it\n", function->secondary_bus, function->subordinate_bus);
    print_window("io", &function->bridge_io);
    print_window("memory", &function->bridge_memory);
    print_window("prefetchable", &function->bridge_prefetchable);
}

static void print_capabilities(const struct vst_pci_function *function)
{
    for (unsigned i = 0; i < function->n_capabilities; i++) {
        const struct vst_pci_capability *capability = &function->capabilities[i];
        printf("  capability [%02x]: %02x %s\n", capability->offset, capability->id,
               vst_pci_capability_name(capability->id));
    }
    if (function->capabilities_malformed)
        puts("  capability list is malformed; this is what came before that");
}

static void print_virtio(const struct shell_context *context,
                         const struct vst_pci_function *function)
{
    struct vst_virtio_pci_structure structures[VST_VIRTIO_PCI_MAX_STRUCTURES];
    size_t n = vst_virtio_pci_structures(context->host->platform, function, structures,
                                         VST_VIRTIO_PCI_MAX_STRUCTURES);

    for (size_t i = 0; i < n; i++) {
        const struct vst_virtio_pci_structure *found = &structures[i];
        printf("  virtio [%02x]: %s, BAR %u + 0x%x, %u bytes", found->capability_offset,
               vst_virtio_pci_structure_name(found->type), found->bar,
               (unsigned)found->offset_bytes, (unsigned)found->length_bytes);
        if (found->type == 2)
            printf(", multiplier %u", (unsigned)found->notify_multiplier);
        if (!found->usable)
            printf(" (unusable: %s)", found->problem != NULL ? found->problem : "unknown");
        putchar('\n');
    }
}

static void print_function(const struct shell_context *context,
                           const struct vst_pci_function *function, bool verbose)
{
    char address[ADDRESS_TEXT_BYTES];
    const char *virtio = virtio_name(function);

    printf("%s %s: %04x:%04x (rev %02x)%s%s\n", vst_pci_address_text(function->address, address),
           vst_pci_class_name(function->base_class, function->sub_class), function->vendor_id,
           function->device_id, function->revision, virtio ? " " : "", virtio ? virtio : "");
    if (!verbose)
        return;
    if (function->subsystem_vendor_id != 0)
        printf("  subsystem: %04x:%04x\n", function->subsystem_vendor_id, function->subsystem_id);
    if (function->interrupt_pin >= 1 && function->interrupt_pin <= 4)
        printf("  interrupt: pin %c, line %u\n", 'A' + function->interrupt_pin - 1,
               function->interrupt_line);
    print_bridge(function);
    print_bars(function);
    print_capabilities(function);
    if (virtio != NULL)
        print_virtio(context, function);
}

/* ---------------------------------------------------------------- for programs */

static void json_bars(struct json *json, const struct vst_pci_function *function)
{
    json_array_open(json, "bars");
    for (unsigned i = 0; i < VST_PCI_N_BARS; i++) {
        const struct vst_pci_bar *bar = &function->bars[i];
        if (bar->kind == VST_PCI_BAR_NONE)
            continue;
        json_object_open(json, NULL);
        json_u64(json, "bar", i);
        json_text(json, "kind", bar_kind_name(bar));
        json_bool(json, "assigned", bar->assigned);
        if (bar->assigned)
            json_u64(json, "address", bar->address);
        json_u64(json, "bytes", bar->bytes);
        json_bool(json, "prefetchable", bar->prefetchable);
        json_object_close(json);
    }
    json_array_close(json);
}

static void json_window(struct json *json, const char *key, const struct vst_pci_window *window)
{
    if (window->first > window->last)
        return;
    json_object_open(json, key);
    json_u64(json, "first", window->first);
    json_u64(json, "last", window->last);
    json_object_close(json);
}

static void json_bridge(struct json *json, const struct vst_pci_function *function)
{
    if (function->header_type != HEADER_TYPE_BRIDGE)
        return;
    json_object_open(json, "bridge");
    json_u64(json, "secondary_bus", function->secondary_bus);
    json_u64(json, "subordinate_bus", function->subordinate_bus);
    json_window(json, "io", &function->bridge_io);
    json_window(json, "memory", &function->bridge_memory);
    json_window(json, "prefetchable", &function->bridge_prefetchable);
    json_object_close(json);
}

static void json_capabilities(struct json *json, const struct vst_pci_function *function)
{
    json_array_open(json, "capabilities");
    for (unsigned i = 0; i < function->n_capabilities; i++) {
        json_object_open(json, NULL);
        json_u64(json, "id", function->capabilities[i].id);
        json_u64(json, "offset", function->capabilities[i].offset);
        json_text(json, "name", vst_pci_capability_name(function->capabilities[i].id));
        json_object_close(json);
    }
    json_array_close(json);
    json_bool(json, "capabilities_malformed", function->capabilities_malformed);
}

static void json_virtio(const struct shell_context *context, struct json *json,
                        const struct vst_pci_function *function)
{
    struct vst_virtio_pci_structure structures[VST_VIRTIO_PCI_MAX_STRUCTURES];
    size_t n = vst_virtio_pci_structures(context->host->platform, function, structures,
                                         VST_VIRTIO_PCI_MAX_STRUCTURES);

    json_array_open(json, "virtio_structures");
    for (size_t i = 0; i < n; i++) {
        const struct vst_virtio_pci_structure *found = &structures[i];
        json_object_open(json, NULL);
        json_u64(json, "type", found->type);
        json_text(json, "name", vst_virtio_pci_structure_name(found->type));
        json_u64(json, "capability_offset", found->capability_offset);
        json_u64(json, "bar", found->bar);
        json_u64(json, "offset", found->offset_bytes);
        json_u64(json, "bytes", found->length_bytes);
        if (found->type == 2)
            json_u64(json, "notify_multiplier", found->notify_multiplier);
        json_bool(json, "usable", found->usable);
        if (!found->usable && found->problem != NULL)
            json_text(json, "problem", found->problem);
        json_object_close(json);
    }
    json_array_close(json);
}

static void json_identity(struct json *json, const struct vst_pci_function *function)
{
    json_text(json, "class", vst_pci_class_name(function->base_class, function->sub_class));
    json_u64(json, "base_class", function->base_class);
    json_u64(json, "sub_class", function->sub_class);
    json_u64(json, "vendor_id", function->vendor_id);
    json_u64(json, "device_id", function->device_id);
    json_u64(json, "revision", function->revision);
    json_u64(json, "subsystem_vendor_id", function->subsystem_vendor_id);
    json_u64(json, "subsystem_id", function->subsystem_id);
    json_u64(json, "header_type", function->header_type);
    json_u64(json, "interrupt_pin", function->interrupt_pin);
    json_u64(json, "interrupt_line", function->interrupt_line);
}

static void json_function(const struct shell_context *context,
                          const struct vst_pci_function *function)
{
    char address[ADDRESS_TEXT_BYTES];
    const char *virtio = virtio_name(function);
    struct json json;

    shell_json_open(context, &json);
    json_text(&json, "dev", vst_pci_address_text(function->address, address));
    json_identity(&json, function);
    json_bridge(&json, function);
    json_bars(&json, function);
    json_capabilities(&json, function);
    if (virtio != NULL) {
        json_text(&json, "virtio", virtio);
        json_virtio(context, &json, function);
    }
    json_close(&json);
}

static bool run_lspci(struct shell_context *context)
{
    bool verbose = shell_option(context, "-v") != NULL;

    for (size_t i = 0; i < context->host->n_functions; i++) {
        if (context->json)
            json_function(context, &context->host->functions[i]);
        else
            print_function(context, &context->host->functions[i], verbose);
    }
    if (context->host->n_functions == 0 && !context->json)
        puts("no PCI functions");
    return true;
}

const struct shell_command command_lspci = {
    .name = "lspci",
    .usage = "[-v]",
    .summary = "Lists the PCI functions; with -v their BARs, windows and capabilities",
    .help = "For virtio functions -v also shows where each virtio structure lies and, if it\n"
            "can't be used, why. json=1 always tells everything.\n",
    .options = options_verbose,
    .run = run_lspci,
};
