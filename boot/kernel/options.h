/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of the boot command line that begin with "vstor.": options of the kernel, not commands of
 * the shell.
 *
 *   vstor.log=error|warning|info|debug   what of the log is shown; warning
 *   vstor.features=-NAME,-NAME           virtio features not to negotiate
 *   vstor.ring=split|packed              split: no packed rings; packed: where offered (usual)
 *   vstor.queue_size=N vstor.segments=N  rings and requests smaller than usual
 *   vstor.timeout=MS                     for one command
 *   vstor.cpus=N                         use that many CPUs at most, 1 to 64
 *   vstor.pci=reassign                   place every BAR anew, whatever firmware did
 *   vstor.transport=auto|legacy|pci-cfg  by which way PCI devices are driven (vstor/virtio.h)
 *   vstor.notify=mmio|pio                which doorbell, where a device has one of each kind
 *   vstor.irq=poll|intx|msix             how disks tell what they have done; poll
 *   vstor.queues=N                       most queues of a disk or a SCSI adapter, 1 to 256; 1
 *   vstor.recovery=device|queue|off      what is done when a device fails (vstor/virtio.h); device
 *   vstor.dma=direct|bounce[:KIB]        bounce: disks reach a pool of that size alone (4096), through
 * which all data are copied (vstor/bounce.h); direct
 *   vstor.iommu=bypass|keep              keep: leave IOMMUs as they are; bypass: have them let disks
 * through
 *   vstor.cmd=PATH@DEV                   run the commands in that file before those of the line
 *   vstor.interactive=0|1                0: nobody sits at the console; leave with status 0 after
 * the last command
 *
 * What is said of disks holds for SCSI host adapters and the disks behind them as well.
 */
#ifndef VSTOR_KERNEL_OPTIONS_H
#define VSTOR_KERNEL_OPTIONS_H

#include <vstor/bounce.h>
#include <vstor/virtio.h>

struct options {
    enum vst_log_level log_level;
    struct vst_virtio_blk_config blk; /**< what it has in common with SCSI holds for that, too */
    uint64_t scsi_refused_features;   /**< feature bits; those of blk mean others */
    unsigned n_cpus;                  /**< 0: all */
    bool pci_reassign;
    bool iommu_keep;
    size_t bounce_bytes; /**< of the pool that disks are kept to; 0: none */
    bool interactive;
    char first_command[256]; /**< what vstor.cmd= asks for, as a command; "" if nothing */
};

/** Reads the options and cuts them out of `line`; what is wrong is named in the log and left out.
 */
void options_take(struct options *options, char *line);

/** How SCSI host adapters are to be driven. */
struct vst_virtio_scsi_config options_scsi(const struct options *options);

#endif
