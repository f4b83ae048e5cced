/* SPDX-License-Identifier: BSD-2-Clause */
/* Random traffic in some lives of the driver, then the image compared with what it must hold. */
#include <stdio.h>

#include "tests/qtest/disk.h"

int main(int argc, char **argv)
{
    static struct disk disk;
    struct options options = options_parse(argc, argv);
    struct machine *machine = machine_start(options.dma, options.access, options.qemu);

    disk_open(&disk, machine, &options);
    for (unsigned life = 0; life < options.n_lives; life++) {
        disk_attach(&disk);
        disk_traffic(&disk, options.n_requests);
        CHECK_EQUAL(vst_block_flush(disk.queue), VST_OK);
        disk_detach(&disk);
    }
    machine_stop(machine);
    disk_compare_and_close(&disk);
    puts("passed=1");
    return 0;
}
