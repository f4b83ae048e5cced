/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_shell_host.h"

#include <stdlib.h>

#include "boot/shell/console.h"
#include "boot/shell/partitions.h"

static uint64_t fake_time_ns(void *ctx)
{
    struct fake_host *fake = ctx;

    return fake->now_ns += fake->step_ns;
}

static void fake_relax(void *ctx)
{
    struct fake_host *fake = ctx;

    fake->now_ns += fake->step_ns;
}

static int fake_console_read(void *ctx, uint64_t timeout_ns)
{
    struct fake_host *fake = ctx;

    if (timeout_ns == 0 && fake->silent_reads > 0) {
        fake->silent_reads--;
        return -1;
    }
    if (fake->input == NULL || *fake->input == '\0')
        return -1;
    /* '@' in the input is a pause in the typing. */
    if (*fake->input == '@' && timeout_ns != UINT64_MAX) {
        fake->input++;
        return -1;
    }
    fake->input += *fake->input == '@';
    return (unsigned char)*fake->input++;
}

static void fake_reboot(void *ctx)
{
    ((struct fake_host *)ctx)->n_reboots++;
}

void fake_host_make(struct fake_host *fake)
{
    *fake = (struct fake_host){.step_ns = 1000};
    fake->platform =
        (struct vst_platform){.ctx = fake, .time_ns = fake_time_ns, .relax = fake_relax};
    shell_disk_make(&fake->disk, &fake->platform, 2048, 512);
    vst_block_register(&fake->registry, &fake->disk.device, "vd");
    fake->host = (struct shell_host){
        .ctx = fake,
        .platform = &fake->platform,
        .registry = &fake->registry,
        .console_read = fake_console_read,
        .ticks = fake_time_ns,
        .ticks_per_second = 1000000000,
        .reboot = fake_reboot,
    };
    console_forget();
    partitions_forget();
}

void fake_host_free(struct fake_host *fake)
{
    partitions_forget();
    shell_disk_free(&fake->disk);
    free(fake->output);
}

static void catch_output(struct fake_host *fake)
{
    fflush(stdout);
    free(fake->output);
    fake->output = NULL;
    fake->caught = open_memstream(&fake->output, &fake->output_bytes);
    fake->real_stdout = stdout;
    stdout = fake->caught;
}

static void release_output(struct fake_host *fake)
{
    stdout = fake->real_stdout;
    fclose(fake->caught);
}

int fake_host_run(struct fake_host *fake, const char *line)
{
    catch_output(fake);
    int status = shell_run(&fake->host, line);
    release_output(fake);
    return status;
}

int fake_host_type(struct fake_host *fake, const char *input)
{
    catch_output(fake);
    fake->input = input;
    int status = shell_interactive(&fake->host);
    release_output(fake);
    return status;
}
