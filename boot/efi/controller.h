/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One virtio-blk or virtio-scsi function that this driver manages.
 *
 *     entry.c               entry of the driver's own image (the boot loader's: loader/start.c)
 *     start.c               installing, taking over from other drivers, giving back
 *     driver_binding.c      Supported, Start, Stop
 *     controller.c          the device behind a handle, from attaching to its reset
 *     platform.c            the library's platform on top of PCI I/O; platform_dma.c: of each transfer
 *     disk.c                a disk of it: its protocols, its medium
 *     transfer.c            requests of a disk, whether somebody waits for them or not
 *     block_io.c            Block IO, Block IO 2
 *     erase_block.c, disk_info.c, ext_scsi_pass_thru.c, component_name.c, diagnostics.c
 *
 * Threads there are none, but a timer that interrupts: fields below are touched at TPL_NOTIFY
 * (lock), but for those that do not change from Start to Stop.
 */
#ifndef VSTOR_EFI_CONTROLLER_H
#define VSTOR_EFI_CONTROLLER_H

#include <vstor/vstor.h>

#include "boot/efi/platform.h"

struct disk;
struct raw_command;

struct controller {
    struct controller *next; /**< of all that are managed */
    EFI_HANDLE handle;
    EFI_PCI_IO_PROTOCOL *pci_io;
    struct efi_platform platform;
    struct vst_pci_function function;
    bool attached; /**< the library has the device */
    struct disk *disks;
    EFI_EVENT timer, exit_event;
    bool timer_runs;
    /* virtio-scsi; hba is NULL for virtio-blk */
    struct vst_scsi_hba *hba;
    EFI_DEVICE_PATH_PROTOCOL *path;
    EFI_EXT_SCSI_PASS_THRU_PROTOCOL pass_thru;
    EFI_EXT_SCSI_PASS_THRU_MODE pass_thru_mode;
    bool pass_thru_installed;
    struct raw_command *commands; /**< given to the adapter */
};

/** Which of the two a function is. */
static inline bool controller_is_scsi(const struct controller *controller)
{
    return vst_virtio_scsi_matches(&controller->function);
}

/** The one that manages a handle; NULL: none. */
struct controller *controller_find(EFI_HANDLE handle);

/** All that are managed. */
struct controller *controller_first(void);

/**
 * Attaches the device of a handle whose PCI I/O has been opened, and adds it to those managed.
 * EFI_UNSUPPORTED, EFI_OUT_OF_RESOURCES, EFI_DEVICE_ERROR; then nothing has happened.
 */
EFI_STATUS controller_open(EFI_HANDLE handle, EFI_PCI_IO_PROTOCOL *pci_io,
                           struct controller **controller);

/**
 * Resets the device, ends what is in flight with EFI_ABORTED, and gives everything back. Its
 * protocols and disks are gone already.
 */
void controller_close(struct controller *controller);

/** Gives the device back, and attaches it again: virtio-blk only. Ends what is in flight. */
EFI_STATUS controller_restart(struct controller *controller);

/**
 * Told, unless NULL, before a controller's device is detached, with its queues: who uses these besides
 * Block IO has nothing in flight, and stops. At TPL_NOTIFY.
 */
extern void (*controller_leaves)(struct controller *controller);

/**
 * The queues are used besides Block IO by somebody who lets others have their turn: no device is given
 * back or reset meanwhile, nor units looked for. At TPL_NOTIFY.
 */
extern bool controllers_in_use;

/** Takes back what has ended, of all disks. At TPL_NOTIFY. */
void controller_poll(struct controller *controller);

void controller_start_timer(struct controller *controller);

/** Somebody waits for an event: from now on the timer polls. At TPL_NOTIFY. */
static inline void controller_run_timer(struct controller *controller)
{
    if (VST_UNLIKELY(!controller->timer_runs))
        controller_start_timer(controller);
}

/** What the specification calls it. */
EFI_STATUS efi_status_of(enum vst_status status);

#endif
