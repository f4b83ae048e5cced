// SPDX-License-Identifier: BSD-2-Clause
// Two faults of the server, which its own text keeps: the linker (--wrap) has it come by here.
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <sys/eventfd.h>

int __real_iscsi_full_connect_sync(struct iscsi_context *iscsi, const char *portal, int lun);
int __wrap_iscsi_full_connect_sync(struct iscsi_context *iscsi, const char *portal, int lun);
struct scsi_task *__real_iscsi_scsi_command_sync(struct iscsi_context *iscsi, int lun, struct scsi_task *task,
                                                 struct iscsi_data *data);
struct scsi_task *__wrap_iscsi_scsi_command_sync(struct iscsi_context *iscsi, int lun, struct scsi_task *task,
                                                 struct iscsi_data *data);

int __real_eventfd_write(int fd, eventfd_t value);
int __wrap_eventfd_write(int fd, eventfd_t value);

// It asks unit 0 of its target whatever its URI says, and unit 0 of tgtd is no disk: it gets the one it logged in to.
static int unit; // one connection per process

int __wrap_iscsi_full_connect_sync(struct iscsi_context *iscsi, const char *portal, int lun)
{
	unit = lun;
	return __real_iscsi_full_connect_sync(iscsi, portal, lun);
}

struct scsi_task *__wrap_iscsi_scsi_command_sync(struct iscsi_context *iscsi, int lun, struct scsi_task *task,
                                                 struct iscsi_data *data)
{
	(void)lun;
	return __real_iscsi_scsi_command_sync(iscsi, unit, task, data);
}

// It may see the first kick of a queue before the message with the eventfd to interrupt by, which QEMU has sent, and
// takes that for the end. Nothing is lost by going on: it interrupts once when that message comes.
int __wrap_eventfd_write(int fd, eventfd_t value)
{
	return fd == -1 ? 0 : __real_eventfd_write(fd, value);
}
