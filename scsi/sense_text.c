/* SPDX-License-Identifier: BSD-2-Clause */
/* What statuses, responses and sense data are called. (SPC-4, annex D) */
#include <vstor/log.h>
#include <vstor/scsi_types.h>

#define ANY 0x100u

/* In order, so that a code is found by halving. */
static const struct {
    uint8_t asc;
    uint16_t ascq;
    const char *text;
} asc_texts[] = {
    {0x00, 0x00, "no additional sense information"},
    {0x00, 0x01, "filemark detected"},
    {0x00, 0x02, "end of partition or medium detected"},
    {0x00, 0x04, "beginning of partition or medium detected"},
    {0x00, 0x05, "end of data detected"},
    {0x00, 0x06, "I/O process terminated"},
    {0x00, 0x16, "operation in progress"},
    {0x00, 0x17, "cleaning requested"},
    {0x00, 0x1d, "pass-through information available"},
    {0x01, 0x00, "no index or sector signal"},
    {0x02, 0x00, "no seek complete"},
    {0x03, 0x00, "peripheral device write fault"},
    {0x04, 0x00, "unit not ready, cause not reportable"},
    {0x04, 0x01, "unit is becoming ready"},
    {0x04, 0x02, "unit not ready, initializing command required"},
    {0x04, 0x03, "unit not ready, manual intervention required"},
    {0x04, 0x04, "unit not ready, format in progress"},
    {0x04, 0x05, "unit not ready, rebuild in progress"},
    {0x04, 0x06, "unit not ready, recalculation in progress"},
    {0x04, 0x07, "unit not ready, operation in progress"},
    {0x04, 0x08, "unit not ready, long write in progress"},
    {0x04, 0x09, "unit not ready, self-test in progress"},
    {0x04, 0x0a, "unit not accessible, asymmetric access state transition"},
    {0x04, 0x0b, "unit not accessible, target port in standby state"},
    {0x04, 0x0c, "unit not accessible, target port in unavailable state"},
    {0x04, 0x10, "unit not ready, auxiliary memory not accessible"},
    {0x04, 0x11, "unit not ready, notify (enable spinup) required"},
    {0x04, 0x12, "unit not ready, offline"},
    {0x04, 0x14, "unit not ready, space allocation in progress"},
    {0x04, 0x1b, "unit not ready, sanitize in progress"},
    {0x04, 0x1c, "unit not ready, additional power use not yet granted"},
    {0x05, 0x00, "unit does not respond to selection"},
    {0x08, 0x00, "unit communication failure"},
    {0x08, 0x01, "unit communication time-out"},
    {0x08, 0x02, "unit communication parity error"},
    {0x08, 0x03, "unit communication CRC error"},
    {0x09, 0x00, "track following error"},
    {0x0b, 0x00, "warning"},
    {0x0b, 0x01, "warning, specified temperature exceeded"},
    {0x0c, 0x00, "write error"},
    {0x0c, 0x02, "write error, reassignment failed"},
    {0x0c, 0x03, "write error, reassignment recommended"},
    {0x0c, 0x07, "write error, recovery needed"},
    {0x0c, 0x09, "write error, loss of streaming"},
    {0x0c, 0x0d, "write error, not enough unsolicited data"},
    {0x0e, 0x00, "invalid information unit"},
    {0x10, 0x00, "ID CRC or ECC error"},
    {0x10, 0x01, "logical block guard check failed"},
    {0x10, 0x02, "logical block application tag check failed"},
    {0x10, 0x03, "logical block reference tag check failed"},
    {0x11, 0x00, "unrecovered read error"},
    {0x11, 0x01, "read retries exhausted"},
    {0x11, 0x02, "error too long to correct"},
    {0x11, 0x03, "multiple read errors"},
    {0x11, 0x04, "unrecovered read error, automatic reallocation failed"},
    {0x11, 0x05, "L-EC uncorrectable error"},
    {0x11, 0x06, "CIRC unrecovered error"},
    {0x11, 0x0b, "unrecovered read error, reassignment recommended"},
    {0x11, 0x0c, "unrecovered read error, rewriting recommended"},
    {0x11, 0x0f, "error reading UPC/EAN number"},
    {0x11, 0x14, "read error, block marked bad by application client"},
    {0x13, 0x00, "address mark not found for data field"},
    {0x14, 0x00, "recorded entity not found"},
    {0x14, 0x01, "record not found"},
    {0x15, 0x00, "random positioning error"},
    {0x15, 0x01, "mechanical positioning error"},
    {0x16, 0x00, "data synchronization mark error"},
    {0x17, 0x00, "recovered data without error correction"},
    {0x17, 0x01, "recovered data with retries"},
    {0x18, 0x00, "recovered data with error correction"},
    {0x19, 0x00, "defect list error"},
    {0x1a, 0x00, "parameter list length error"},
    {0x1b, 0x00, "synchronous data transfer error"},
    {0x1c, 0x00, "defect list not found"},
    {0x1d, 0x00, "miscompare during verify operation"},
    {0x20, 0x00, "invalid command operation code"},
    {0x20, 0x02, "access denied, no access rights"},
    {0x21, 0x00, "logical block address out of range"},
    {0x21, 0x01, "invalid element address"},
    {0x21, 0x02, "invalid address for write"},
    {0x21, 0x04, "unaligned write command"},
    {0x21, 0x05, "write boundary violation"},
    {0x24, 0x00, "invalid field in CDB"},
    {0x25, 0x00, "logical unit not supported"},
    {0x26, 0x00, "invalid field in parameter list"},
    {0x26, 0x01, "parameter not supported"},
    {0x26, 0x02, "parameter value invalid"},
    {0x26, 0x04, "invalid release of persistent reservation"},
    {0x27, 0x00, "write protected"},
    {0x27, 0x01, "hardware write protected"},
    {0x27, 0x02, "unit software write protected"},
    {0x27, 0x03, "associated write protect"},
    {0x27, 0x04, "persistent write protect"},
    {0x27, 0x05, "permanent write protect"},
    {0x27, 0x07, "space allocation failed write protect"},
    {0x28, 0x00, "medium may have changed"},
    {0x28, 0x01, "import or export element accessed"},
    {0x28, 0x02, "format layer may have changed"},
    {0x29, 0x00, "power on, reset or bus device reset occurred"},
    {0x29, 0x01, "power on occurred"},
    {0x29, 0x02, "bus reset occurred"},
    {0x29, 0x03, "target reset occurred"},
    {0x29, 0x04, "internal reset of the device"},
    {0x29, 0x05, "transceiver mode changed to single-ended"},
    {0x29, 0x06, "transceiver mode changed to LVD"},
    {0x29, 0x07, "I_T nexus loss occurred"},
    {0x2a, 0x00, "parameters changed"},
    {0x2a, 0x01, "mode parameters changed"},
    {0x2a, 0x02, "log parameters changed"},
    {0x2a, 0x03, "reservations preempted"},
    {0x2a, 0x04, "reservations released"},
    {0x2a, 0x05, "registrations preempted"},
    {0x2a, 0x06, "asymmetric access state changed"},
    {0x2a, 0x07, "implicit asymmetric access state transition failed"},
    {0x2a, 0x08, "priority changed"},
    {0x2a, 0x09, "capacity data has changed"},
    {0x2a, 0x0a, "error history nexus cleared"},
    {0x2a, 0x10, "timestamp changed"},
    {0x2b, 0x00, "copy cannot execute, host cannot disconnect"},
    {0x2c, 0x00, "command sequence error"},
    {0x2c, 0x09, "previous reservation conflict status"},
    {0x2e, 0x00, "insufficient time for operation"},
    {0x2f, 0x00, "commands cleared by another initiator"},
    {0x2f, 0x01, "commands cleared by power loss notification"},
    {0x2f, 0x02, "commands cleared by device server"},
    {0x30, 0x00, "incompatible medium installed"},
    {0x30, 0x01, "cannot read medium, unknown format"},
    {0x30, 0x02, "cannot read medium, incompatible format"},
    {0x30, 0x03, "cleaning cartridge installed"},
    {0x30, 0x05, "cannot write medium, incompatible format"},
    {0x30, 0x06, "cannot format medium, incompatible medium"},
    {0x30, 0x10, "medium not formatted"},
    {0x31, 0x00, "medium format corrupted"},
    {0x31, 0x01, "format command failed"},
    {0x32, 0x00, "no defect spare location available"},
    {0x35, 0x00, "enclosure services failure"},
    {0x37, 0x00, "rounded parameter"},
    {0x38, 0x07, "thin provisioning soft threshold reached"},
    {0x39, 0x00, "saving parameters not supported"},
    {0x3a, 0x00, "medium not present"},
    {0x3a, 0x01, "medium not present, tray closed"},
    {0x3a, 0x02, "medium not present, tray open"},
    {0x3a, 0x03, "medium not present, loadable"},
    {0x3b, 0x00, "sequential positioning error"},
    {0x3b, 0x0e, "medium source element empty"},
    {0x3b, 0x16, "mechanical positioning error"},
    {0x3d, 0x00, "invalid bits in identify message"},
    {0x3e, 0x00, "unit has not self-configured yet"},
    {0x3e, 0x01, "unit failure"},
    {0x3e, 0x02, "time-out of unit"},
    {0x3e, 0x03, "unit failed self-test"},
    {0x3f, 0x00, "target operating conditions have changed"},
    {0x3f, 0x01, "microcode has been changed"},
    {0x3f, 0x02, "changed operating definition"},
    {0x3f, 0x03, "INQUIRY data has changed"},
    {0x3f, 0x04, "component device attached"},
    {0x3f, 0x05, "device identifier changed"},
    {0x3f, 0x06, "redundancy group created or modified"},
    {0x3f, 0x0e, "reported LUNs data has changed"},
    {0x3f, 0x10, "medium loadable"},
    {0x3f, 0x11, "medium auxiliary memory accessible"},
    {0x40, ANY, "diagnostic failure on component"},
    {0x41, 0x00, "data path failure"},
    {0x43, 0x00, "message error"},
    {0x44, 0x00, "internal target failure"},
    {0x45, 0x00, "select or reselect failure"},
    {0x46, 0x00, "unsuccessful soft reset"},
    {0x47, 0x00, "SCSI parity error"},
    {0x47, 0x01, "data phase CRC error detected"},
    {0x47, 0x03, "information unit CRC error detected"},
    {0x48, 0x00, "initiator detected error message received"},
    {0x49, 0x00, "invalid message error"},
    {0x4a, 0x00, "command phase error"},
    {0x4b, 0x00, "data phase error"},
    {0x4c, 0x00, "unit failed self-configuration"},
    {0x4d, ANY, "tagged overlapped commands"},
    {0x4e, 0x00, "overlapped commands attempted"},
    {0x50, 0x00, "write append error"},
    {0x51, 0x00, "erase failure"},
    {0x52, 0x00, "cartridge fault"},
    {0x53, 0x00, "medium load or eject failed"},
    {0x53, 0x02, "medium removal prevented"},
    {0x53, 0x03, "medium removal prevented by data transfer element"},
    {0x55, 0x00, "system resource failure"},
    {0x55, 0x01, "system buffer full"},
    {0x55, 0x02, "insufficient reservation resources"},
    {0x55, 0x03, "insufficient resources"},
    {0x55, 0x04, "insufficient registration resources"},
    {0x57, 0x00, "unable to recover table of contents"},
    {0x5a, 0x00, "operator request or state change"},
    {0x5a, 0x01, "operator requests removal of the medium"},
    {0x5a, 0x02, "operator selected write protect"},
    {0x5a, 0x03, "operator selected write permit"},
    {0x5b, 0x00, "log exception"},
    {0x5c, 0x00, "RPL status change"},
    {0x5d, 0x00, "failure prediction threshold exceeded"},
    {0x5e, 0x00, "low power condition on"},
    {0x63, 0x00, "end of user area encountered on this track"},
    {0x64, 0x00, "illegal mode for this track"},
    {0x65, 0x00, "voltage fault"},
    {0x67, 0x00, "configuration failure"},
    {0x6f, 0x00, "copy protection key exchange failure"},
    {0x72, 0x00, "session fixation error"},
    {0x73, 0x00, "CD control error"},
    {0x74, 0x00, "security error"},
};

const char *vst_scsi_asc_text(uint8_t asc, uint8_t ascq)
{
    size_t low = 0, high = VST_ARRAY_LENGTH(asc_texts);

    while (low < high) {
        size_t middle = (low + high) / 2;
        uint16_t its_ascq = asc_texts[middle].ascq;
        if (asc_texts[middle].asc == asc && (its_ascq == ascq || its_ascq == ANY))
            return asc_texts[middle].text;
        if (asc_texts[middle].asc < asc || (asc_texts[middle].asc == asc && its_ascq < ascq))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *vst_scsi_sense_key_name(unsigned key)
{
    static const char *const names[VST_SCSI_N_KEYS] = {
        "NO SENSE",         "RECOVERED ERROR", "NOT READY",      "MEDIUM ERROR",
        "HARDWARE ERROR",   "ILLEGAL REQUEST", "UNIT ATTENTION", "DATA PROTECT",
        "BLANK CHECK",      "VENDOR SPECIFIC", "COPY ABORTED",   "ABORTED COMMAND",
        "RESERVED KEY (C)", "VOLUME OVERFLOW", "MISCOMPARE",     "COMPLETED",
    };

    return key < VST_SCSI_N_KEYS ? names[key] : "unknown";
}

const char *vst_scsi_status_name(unsigned status)
{
    switch (status) {
    case VST_SCSI_GOOD:
        return "GOOD";
    case VST_SCSI_CHECK_CONDITION:
        return "CHECK CONDITION";
    case VST_SCSI_CONDITION_MET:
        return "CONDITION MET";
    case VST_SCSI_BUSY:
        return "BUSY";
    case VST_SCSI_RESERVATION_CONFLICT:
        return "RESERVATION CONFLICT";
    case VST_SCSI_TASK_SET_FULL:
        return "TASK SET FULL";
    case VST_SCSI_ACA_ACTIVE:
        return "ACA ACTIVE";
    case VST_SCSI_TASK_ABORTED:
        return "TASK ABORTED";
    default:
        return "unknown status";
    }
}

const char *vst_scsi_response_name(unsigned response)
{
    static const char *const names[VST_SCSI_N_RESPONSES] = {
        [VST_SCSI_RESPONSE_OK] = "ok",
        [VST_SCSI_RESPONSE_OVERRUN] = "overrun",
        [VST_SCSI_RESPONSE_ABORTED] = "aborted",
        [VST_SCSI_RESPONSE_BAD_TARGET] = "no such target",
        [VST_SCSI_RESPONSE_RESET] = "reset",
        [VST_SCSI_RESPONSE_BUSY] = "adapter busy",
        [VST_SCSI_RESPONSE_TRANSPORT_FAILURE] = "transport failure",
        [VST_SCSI_RESPONSE_TARGET_FAILURE] = "target failure",
        [VST_SCSI_RESPONSE_NEXUS_FAILURE] = "nexus failure",
        [VST_SCSI_RESPONSE_FAILURE] = "failure",
        [VST_SCSI_RESPONSE_TIMEOUT] = "no answer in time",
        [VST_SCSI_RESPONSE_MALFORMED] = "malformed response",
    };

    return response < VST_SCSI_N_RESPONSES ? names[response] : "unknown response";
}

size_t vst_scsi_sense_text(const struct vst_scsi_sense *sense, char *text, size_t bytes)
{
    const char *known = vst_scsi_asc_text(sense->asc, sense->ascq);

    if (!sense->valid)
        return vst_format(text, bytes, "no sense data");
    return vst_format(text, bytes, "%s%s%s%s (%02x/%02x/%02x)", sense->deferred ? "deferred " : "",
                      vst_scsi_sense_key_name(sense->key), known != NULL ? ", " : "",
                      known != NULL ? known : "", sense->key, sense->asc, sense->ascq);
}
