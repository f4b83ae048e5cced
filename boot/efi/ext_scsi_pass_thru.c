/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended SCSI Pass Thru. (UEFI 2.9, 15.7) */
#include <arch/cpu.h>

#include "boot/efi/scsi.h"
#include "boot/efi/transfer.h"
#include "scsi/recovery.h"

#define POLL_BATCH      64u
#define NS_PER_UNIT     100ull
#define FOR_EVER_NS     (8ull * 3600 * 1000000000)
#define LOOKS_TILL_POLL 4096u

typedef EFI_EXT_SCSI_PASS_THRU_SCSI_REQUEST_PACKET packet_t;

/** A command that somebody gave us. From the pool; the packet stays the caller's. */
struct raw_command {
    struct vst_scsi_command command;
    struct vst_block_segment data;
    struct raw_command *next;
    struct controller *controller;
    packet_t *packet;
    EFI_EVENT event; /**< NULL: somebody waits for `ended` */
    struct scsi_recovery recovery;
    bool late, returned;
    bool *ended; /**< of who waits, as is the next */
    EFI_STATUS *status;
};

static struct controller *of(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *this)
{
    return VST_CONTAINER_OF(this, struct controller, pass_thru);
}

/* ---------------------------------------------------------------- targets and units */

static bool is_all_ones(const UINT8 *target)
{
    for (unsigned i = 0; i < TARGET_MAX_BYTES; i++)
        if (target[i] != 0xff)
            return false;
    return true;
}

/* A number in 16 bytes, the lowest first. */
static bool number_of(const UINT8 *target, uint32_t *number)
{
    *number = target[0] | (uint32_t)target[1] << 8;
    for (unsigned i = 2; i < TARGET_MAX_BYTES; i++)
        if (target[i] != 0)
            return false;
    return true;
}

static void put_number(UINT8 *target, uint32_t number)
{
    __builtin_memset(target, 0, TARGET_MAX_BYTES);
    target[0] = (UINT8)number;
    target[1] = (UINT8)(number >> 8);
}

static bool is_shown(const struct vst_scsi_unit *unit)
{
    return !unit->gone && unit->lun.n_levels == 1;
}

static struct vst_scsi_unit *find_unit(const struct controller *controller, const UINT8 *target,
                                       UINT64 lun)
{
    struct vst_scsi_unit *unit = NULL;
    uint32_t number;

    if (!number_of(target, &number))
        return NULL;
    while ((unit = scsi_next_unit(controller, unit)) != NULL)
        if (is_shown(unit) && unit->target == number && unit->lun.number == lun)
            return unit;
    return NULL;
}

/* The first behind one in the order of target and number; from NULL the first of all. */
static const struct vst_scsi_unit *unit_behind(const struct controller *controller,
                                               const struct vst_scsi_unit *unit)
{
    unit = scsi_next_unit(controller, unit);
    while (unit != NULL && !is_shown(unit))
        unit = scsi_next_unit(controller, unit);
    return unit;
}

static EFI_STATUS EFIAPI get_next_target_lun(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 **Target,
                                             UINT64 *Lun)
{
    const struct vst_scsi_unit *unit = NULL;

    if (Target == NULL || *Target == NULL || Lun == NULL)
        return EFI_INVALID_PARAMETER;
    if (!is_all_ones(*Target)) {
        unit = find_unit(of(This), *Target, *Lun);
        if (unit == NULL)
            return EFI_INVALID_PARAMETER;
    }
    unit = unit_behind(of(This), unit);
    if (unit == NULL)
        return EFI_NOT_FOUND;
    put_number(*Target, unit->target);
    *Lun = unit->lun.number;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_next_target(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 **Target)
{
    const struct vst_scsi_unit *unit = NULL;
    uint32_t before = 0;

    if (Target == NULL || *Target == NULL)
        return EFI_INVALID_PARAMETER;
    bool is_first = is_all_ones(*Target);
    if (!is_first) {
        bool exists = false;
        if (!number_of(*Target, &before))
            return EFI_INVALID_PARAMETER;
        while ((unit = unit_behind(of(This), unit)) != NULL && !exists)
            exists = unit->target == before;
        if (!exists)
            return EFI_INVALID_PARAMETER;
    }
    unit = NULL;
    while ((unit = unit_behind(of(This), unit)) != NULL)
        if (is_first || unit->target > before)
            break;
    if (unit == NULL)
        return EFI_NOT_FOUND;
    put_number(*Target, unit->target);
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI build_device_path(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 *Target,
                                           UINT64 Lun, EFI_DEVICE_PATH_PROTOCOL **DevicePath)
{
    SCSI_DEVICE_PATH node, *made;

    if (Target == NULL || DevicePath == NULL)
        return EFI_INVALID_PARAMETER;
    const struct vst_scsi_unit *unit = find_unit(of(This), Target, Lun);
    if (unit == NULL || !scsi_node_of(unit, &node))
        return EFI_NOT_FOUND;
    if (EFI_ERROR(firmware->AllocatePool(EfiBootServicesData, sizeof(*made), (VOID **)&made)))
        return EFI_OUT_OF_RESOURCES;
    *made = node;
    *DevicePath = &made->Header;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI get_target_lun(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This,
                                        EFI_DEVICE_PATH_PROTOCOL *DevicePath, UINT8 **Target,
                                        UINT64 *Lun)
{
    if (DevicePath == NULL || Target == NULL || *Target == NULL || Lun == NULL)
        return EFI_INVALID_PARAMETER;
    if (!scsi_is_node(DevicePath))
        return EFI_UNSUPPORTED;
    const SCSI_DEVICE_PATH *node = (const SCSI_DEVICE_PATH *)(const void *)DevicePath;
    const struct vst_scsi_hba_limits *limits = &of(This)->hba->limits;
    if (node->Pun > limits->max_target || node->Lun > limits->max_lun)
        return EFI_NOT_FOUND;
    put_number(*Target, node->Pun);
    *Lun = node->Lun;
    return EFI_SUCCESS;
}

/* ---------------------------------------------------------------- ending */

static UINT8 adapter_status_of(enum vst_scsi_response response)
{
    switch (response) {
    case VST_SCSI_RESPONSE_OK:
        return EFI_EXT_SCSI_STATUS_HOST_ADAPTER_OK;
    case VST_SCSI_RESPONSE_OVERRUN:
        return EFI_EXT_SCSI_STATUS_HOST_ADAPTER_DATA_OVERRUN_UNDERRUN;
    case VST_SCSI_RESPONSE_RESET:
    case VST_SCSI_RESPONSE_ABORTED:
        return EFI_EXT_SCSI_STATUS_HOST_ADAPTER_BUS_RESET;
    case VST_SCSI_RESPONSE_BAD_TARGET: /* it has left: 15.7.3, as of who is not there */
    case VST_SCSI_RESPONSE_TIMEOUT:
        return EFI_EXT_SCSI_STATUS_HOST_ADAPTER_TIMEOUT_COMMAND;
    case VST_SCSI_RESPONSE_TRANSPORT_FAILURE:
    case VST_SCSI_RESPONSE_NEXUS_FAILURE:
    case VST_SCSI_RESPONSE_MALFORMED:
        return EFI_EXT_SCSI_STATUS_HOST_ADAPTER_PHASE_ERROR;
    default:
        return EFI_EXT_SCSI_STATUS_HOST_ADAPTER_OTHER;
    }
}

static EFI_STATUS status_of(enum vst_scsi_response response)
{
    switch (response) {
    case VST_SCSI_RESPONSE_OK:
        return EFI_SUCCESS;
    case VST_SCSI_RESPONSE_BAD_TARGET:
    case VST_SCSI_RESPONSE_TIMEOUT:
        return EFI_TIMEOUT;
    case VST_SCSI_RESPONSE_BUSY:
        return EFI_NOT_READY;
    default:
        return EFI_DEVICE_ERROR;
    }
}

static void report_sense(packet_t *packet, const struct vst_scsi_outcome *outcome)
{
    UINT8 n = packet->SenseDataLength;

    if (packet->SenseData == NULL)
        n = 0;
    if (n > outcome->sense_bytes)
        n = (UINT8)outcome->sense_bytes;
    if (n > 0)
        __builtin_memcpy(packet->SenseData, outcome->sense, n);
    packet->SenseDataLength = n;
}

static EFI_STATUS report(struct raw_command *raw)
{
    const struct vst_scsi_outcome *outcome = &raw->command.outcome;
    packet_t *packet = raw->packet;
    enum vst_scsi_response response =
        (enum vst_scsi_response)vst_scsi_response_in_time(outcome, raw->late);

    packet->HostAdapterStatus = adapter_status_of(response);
    packet->TargetStatus = outcome->status;
    report_sense(packet, outcome);
    if (response != VST_SCSI_RESPONSE_OK && response != VST_SCSI_RESPONSE_OVERRUN)
        return status_of(response);
    if (packet->DataDirection == EFI_EXT_SCSI_DATA_DIRECTION_READ)
        packet->InTransferLength -= outcome->residual_bytes;
    else
        packet->OutTransferLength -= outcome->residual_bytes;
    return status_of(response);
}

/* Packet and event are the caller's again once it is signalled. */
static void end(struct raw_command *raw)
{
    EFI_EVENT event = raw->event;
    EFI_STATUS status = report(raw);

    if (event == NULL) {
        *raw->status = status;
        __atomic_store_n(raw->ended, true, __ATOMIC_RELEASE);
    }
    (void)firmware->FreePool(raw);
    if (event != NULL)
        (void)firmware->SignalEvent(event);
}

static void returned(struct vst_scsi_command *command)
{
    struct raw_command *raw = command->user;

    if (raw->late)
        vst_scsi_recovery_returned(&raw->recovery);
    raw->returned = true;
}

static bool is_late(struct vst_scsi_command *command, uint64_t tag)
{
    struct raw_command *raw = command->user;

    (void)tag;
    raw->late = true;
    return vst_scsi_recovery_late(&raw->recovery);
}

static void end_those_returned(struct controller *controller)
{
    struct raw_command **link = &controller->commands;

    while (*link != NULL) {
        struct raw_command *raw = *link;
        if (raw->late)
            vst_scsi_recovery_attend(&raw->recovery, controller->hba->queues[0]);
        if (!raw->returned || !vst_scsi_recovery_is_quiet(&raw->recovery)) {
            link = &raw->next;
            continue;
        }
        *link = raw->next;
        end(raw);
    }
}

void scsi_poll(struct controller *controller)
{
    struct vst_scsi_hba *hba = controller->hba;

    (void)hba->ops->poll_commands(hba->queues[0], POLL_BATCH);
    if (controller->commands != NULL)
        end_those_returned(controller);
}

/* ---------------------------------------------------------------- giving */

static EFI_STATUS check_packet(const packet_t *packet)
{
    if (packet == NULL || packet->Cdb == NULL)
        return EFI_INVALID_PARAMETER;
    if (packet->DataDirection == EFI_EXT_SCSI_DATA_DIRECTION_BIDIRECTIONAL)
        return EFI_UNSUPPORTED;
    if (packet->DataDirection > EFI_EXT_SCSI_DATA_DIRECTION_BIDIRECTIONAL ||
        packet->CdbLength < 6 || packet->CdbLength > VST_SCSI_LONG_CDB_BYTES)
        return EFI_INVALID_PARAMETER;
    bool reads = packet->DataDirection == EFI_EXT_SCSI_DATA_DIRECTION_READ;
    if (reads ? packet->InTransferLength > 0 && packet->InDataBuffer == NULL
              : packet->OutTransferLength > 0 && packet->OutDataBuffer == NULL)
        return EFI_INVALID_PARAMETER;
    return packet->SenseDataLength > 0 && packet->SenseData == NULL ? EFI_INVALID_PARAMETER
                                                                    : EFI_SUCCESS;
}

static uint64_t most_bytes(const struct vst_scsi_hba_limits *limits)
{
    uint64_t pieces = (uint64_t)limits->max_segments * limits->max_segment_bytes;
    uint64_t sectors = (uint64_t)limits->max_sectors * VST_SECTOR_BYTES;

    return pieces < sectors ? pieces : sectors;
}

/* Too much: the packet then says how much would have been right. */
static EFI_STATUS check_length(const struct vst_scsi_hba *hba, packet_t *packet)
{
    uint64_t most = most_bytes(&hba->limits);
    UINT32 *length = packet->DataDirection == EFI_EXT_SCSI_DATA_DIRECTION_READ
                         ? &packet->InTransferLength
                         : &packet->OutTransferLength;

    if (*length <= most)
        return EFI_SUCCESS;
    *length = (UINT32)most;
    return EFI_BAD_BUFFER_SIZE;
}

static void fill(struct raw_command *raw)
{
    struct vst_scsi_command *command = &raw->command;
    const packet_t *packet = raw->packet;
    bool reads = packet->DataDirection == EFI_EXT_SCSI_DATA_DIRECTION_READ;

    __builtin_memcpy(command->cdb, packet->Cdb, packet->CdbLength);
    command->cdb_bytes = packet->CdbLength;
    command->timeout_ns = packet->Timeout == 0 || packet->Timeout > FOR_EVER_NS / NS_PER_UNIT
                              ? FOR_EVER_NS
                              : packet->Timeout * NS_PER_UNIT;
    raw->data.buffer = reads ? packet->InDataBuffer : packet->OutDataBuffer;
    raw->data.bytes = reads ? packet->InTransferLength : packet->OutTransferLength;
    command->n_in = reads && raw->data.bytes > 0;
    command->n_out = !reads && raw->data.bytes > 0;
    command->in = command->out = &raw->data;
    command->done = returned;
    command->late = is_late;
    command->user = raw;
}

static EFI_STATUS make(struct controller *controller, const UINT8 *target, UINT64 lun,
                       struct raw_command **made)
{
    const struct vst_scsi_unit *unit = find_unit(controller, target, lun);
    struct raw_command *raw;

    if (unit == NULL)
        return EFI_INVALID_PARAMETER;
    EFI_STATUS status = firmware->AllocatePool(EfiBootServicesData, sizeof(*raw), (VOID **)&raw);
    if (EFI_ERROR(status))
        return status;
    __builtin_memset(raw, 0, sizeof(*raw));
    raw->controller = controller;
    raw->command.nexus = unit->nexus;
    vst_scsi_recovery_init(&raw->recovery, controller->hba, raw->command.nexus,
                           controller->hba->path);
    raw->recovery.times.check_ms = 0; /* that the command comes back is all that is wanted */
    *made = raw;
    return EFI_SUCCESS;
}

static EFI_STATUS give(struct raw_command *raw)
{
    struct controller *controller = raw->controller;
    struct vst_scsi_hba_queue *queue = controller->hba->queues[0];
    enum vst_status status = controller->hba->ops->submit(queue, &raw->command);

    if (status == VST_ERR_FULL)
        return EFI_NOT_READY;
    if (status != VST_OK)
        return status == VST_ERR_UNSUPPORTED || status == VST_ERR_TOO_LARGE ? EFI_UNSUPPORTED
                                                                            : efi_status_of(status);
    controller->hba->ops->kick_commands(queue);
    raw->next = controller->commands;
    controller->commands = raw;
    if (raw->event != NULL)
        controller_run_timer(controller);
    return EFI_SUCCESS;
}

static void wait_for(struct controller *controller, const bool *ended)
{
    while (!__atomic_load_n(ended, __ATOMIC_ACQUIRE)) {
        EFI_TPL before = lock();
        scsi_poll(controller);
        unlock(before);
        arch_pause();
    }
}

static EFI_STATUS EFIAPI pass_thru(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 *Target, UINT64 Lun,
                                   packet_t *Packet, EFI_EVENT Event)
{
    struct controller *controller = of(This);
    struct raw_command *raw;
    EFI_STATUS outcome = EFI_DEVICE_ERROR;
    bool ended = false;

    EFI_STATUS status = Target == NULL ? EFI_INVALID_PARAMETER : check_packet(Packet);
    if (!EFI_ERROR(status))
        status = check_length(controller->hba, Packet);
    if (!EFI_ERROR(status))
        status = make(controller, Target, Lun, &raw);
    if (EFI_ERROR(status))
        return status;
    raw->packet = Packet;
    raw->event = Event;
    raw->ended = &ended;
    raw->status = &outcome;
    fill(raw);
    EFI_TPL before = lock();
    status = give(raw);
    unlock(before);
    if (EFI_ERROR(status)) {
        (void)firmware->FreePool(raw);
        return status;
    }
    if (Event != NULL)
        return EFI_SUCCESS;
    wait_for(controller, &ended);
    return outcome;
}

/* ---------------------------------------------------------------- resets */

static EFI_STATUS EFIAPI reset_target_lun(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This, UINT8 *Target,
                                          UINT64 Lun)
{
    const struct vst_scsi_unit *unit = Target == NULL ? NULL : find_unit(of(This), Target, Lun);

    if (unit == NULL)
        return EFI_INVALID_PARAMETER;
    return scsi_manage(of(This), VST_SCSI_LOGICAL_UNIT_RESET, unit->nexus);
}

/* Every target is reset; one function does it for all units of a target. */
static EFI_STATUS EFIAPI reset_channel(EFI_EXT_SCSI_PASS_THRU_PROTOCOL *This)
{
    const struct vst_scsi_unit *unit = NULL, *last = NULL;
    EFI_STATUS first_error = EFI_SUCCESS;

    while ((unit = unit_behind(of(This), unit)) != NULL) {
        if (last != NULL && last->target == unit->target)
            continue;
        last = unit;
        EFI_STATUS status = scsi_manage(of(This), VST_SCSI_I_T_NEXUS_RESET, unit->nexus);
        if (EFI_ERROR(status) && !EFI_ERROR(first_error))
            first_error = status;
    }
    return first_error;
}

/* ---------------------------------------------------------------- life */

static void fill_protocol(struct controller *controller)
{
    controller->pass_thru_mode = (EFI_EXT_SCSI_PASS_THRU_MODE){
        .AdapterId = (UINT32)controller->platform.address.bus << 8 |
                     (UINT32)controller->platform.address.device << 3 |
                     controller->platform.address.function,
        .Attributes = EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_PHYSICAL |
                      EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_LOGICAL |
                      EFI_EXT_SCSI_PASS_THRU_ATTRIBUTES_NONBLOCKIO,
    };
    controller->pass_thru = (EFI_EXT_SCSI_PASS_THRU_PROTOCOL){
        .Mode = &controller->pass_thru_mode,
        .PassThru = pass_thru,
        .GetNextTargetLun = get_next_target_lun,
        .BuildDevicePath = build_device_path,
        .GetTargetLun = get_target_lun,
        .ResetChannel = reset_channel,
        .ResetTargetLun = reset_target_lun,
        .GetNextTarget = get_next_target,
    };
}

static EFI_STATUS keep_others_away(struct controller *controller, EFI_HANDLE binding)
{
    VOID *interface;

    return firmware->OpenProtocol(controller->handle, &guid_ext_scsi_pass_thru, &interface, binding,
                                  controller->handle, EFI_OPEN_PROTOCOL_BY_DRIVER);
}

EFI_STATUS pass_thru_install(struct controller *controller, EFI_HANDLE binding)
{
    fill_protocol(controller);
    EFI_STATUS status = firmware->InstallMultipleProtocolInterfaces(
        &controller->handle, &guid_ext_scsi_pass_thru, &controller->pass_thru, NULL);
    if (EFI_ERROR(status))
        return status;
    status = keep_others_away(controller, binding);
    if (EFI_ERROR(status))
        (void)firmware->UninstallMultipleProtocolInterfaces(
            controller->handle, &guid_ext_scsi_pass_thru, &controller->pass_thru, NULL);
    return status;
}

EFI_STATUS pass_thru_uninstall(struct controller *controller, EFI_HANDLE binding)
{
    (void)firmware->CloseProtocol(controller->handle, &guid_ext_scsi_pass_thru, binding,
                                  controller->handle);
    EFI_STATUS status = firmware->UninstallMultipleProtocolInterfaces(
        controller->handle, &guid_ext_scsi_pass_thru, &controller->pass_thru, NULL);
    if (EFI_ERROR(status))
        (void)keep_others_away(controller, binding);
    return status;
}
