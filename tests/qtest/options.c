/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/qtest/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t features_of(char *names)
{
    uint64_t features = 0;

    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        int bit = vst_virtio_feature_bit(name);
        if (bit < 0)
            FAIL("no feature is called %s", name);
        features |= (uint64_t)1 << bit;
    }
    return features;
}

static void take(struct options *options, const char *name, char *value)
{
    uint64_t number = strtoull(value, NULL, 0);

    if (strcmp(name, "image") == 0)
        options->image = value;
    else if (strcmp(name, "dma") == 0)
        options->dma = strcmp(value, "copy") == 0 ? MACHINE_DMA_COPY : MACHINE_DMA_LINEAR;
    else if (strcmp(name, "driver") == 0)
        options->scsi = strcmp(value, "scsi") == 0;
    else if (strcmp(name, "access") == 0)
        options->access = strcmp(value, "ecam") == 0 ? MACHINE_CONFIG_ECAM : MACHINE_CONFIG_PORTS;
    else if (strcmp(name, "refuse") == 0)
        options->config.refused_features = features_of(value);
    else if (strcmp(name, "queue_size") == 0)
        options->config.queue_size = (uint16_t)number;
    else if (strcmp(name, "max_segments") == 0)
        options->config.max_segments = (uint16_t)number;
    else if (strcmp(name, "timeout_ms") == 0)
        options->config.timeout_ns = number * 1000000u;
    else if (strcmp(name, "requests") == 0)
        options->n_requests = (unsigned)number;
    else if (strcmp(name, "lives") == 0)
        options->n_lives = (unsigned)number;
    else if (strcmp(name, "depth") == 0)
        options->depth = (unsigned)number;
    else if (strcmp(name, "seed") == 0)
        options->seed = number;
    else if (strcmp(name, "small") == 0)
        options->small = number != 0;
    else if (strcmp(name, "bad_read") == 0)
        options->bad_read = number;
    else if (strcmp(name, "bad_write") == 0)
        options->bad_write = number;
    else
        FAIL("unknown option %s", name);
}

struct vst_virtio_scsi_config options_scsi(const struct options *options)
{
    return (struct vst_virtio_scsi_config){
        .queue_size = options->config.queue_size,
        .max_segments = options->config.max_segments,
        .refused_features = options->config.refused_features,
        .timeout_ns = options->config.timeout_ns,
        .pci = options->config.pci,
    };
}

struct options options_parse(int argc, char **argv)
{
    struct options options = {.n_requests = 1000, .n_lives = 2, .depth = 24, .seed = 1};
    int i = 1;

    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL)
            FAIL("%s is not name=value", argv[i]);
        *equals = '\0';
        take(&options, argv[i], equals + 1);
    }
    if (i == argc)
        FAIL("usage: name=value ... -- QEMU's arguments");
    options.qemu = argv + i + 1;
    /* Whatever hangs, hangs for three minutes at most, and QEMU dies with us. */
    alarm(180);
    return options;
}
