/* SPDX-License-Identifier: BSD-2-Clause */
/* What statuses, responses and sense data are called. (SPC-4, annex D) */
#include <vstor/log.h>
#include <vstor/scsi_types.h>

/* Any ascq. */
#define ANY "\xff"

/* Code and text one behind the other, without an address for each: two bytes, and text ended by NUL. */
#define ROW(asc, ascq, text) asc ascq text "\0"

/* clang-format off */
static const char asc_texts[] =
    ROW("\x00", "\x00", "no additional sense information")
    ROW("\x00", "\x01", "filemark detected")
    ROW("\x00", "\x02", "end of partition or medium detected")
    ROW("\x00", "\x04", "beginning of partition or medium detected")
    ROW("\x00", "\x05", "end of data detected")
    ROW("\x00", "\x06", "I/O process terminated")
    ROW("\x00", "\x16", "operation in progress")
    ROW("\x00", "\x17", "cleaning requested")
    ROW("\x00", "\x1d", "pass-through information available")
    ROW("\x01", "\x00", "no index or sector signal")
    ROW("\x02", "\x00", "no seek complete")
    ROW("\x03", "\x00", "peripheral device write fault")
    ROW("\x04", "\x00", "unit not ready, cause not reportable")
    ROW("\x04", "\x01", "unit is becoming ready")
    ROW("\x04", "\x02", "unit not ready, initializing command required")
    ROW("\x04", "\x03", "unit not ready, manual intervention required")
    ROW("\x04", "\x04", "unit not ready, format in progress")
    ROW("\x04", "\x05", "unit not ready, rebuild in progress")
    ROW("\x04", "\x06", "unit not ready, recalculation in progress")
    ROW("\x04", "\x07", "unit not ready, operation in progress")
    ROW("\x04", "\x08", "unit not ready, long write in progress")
    ROW("\x04", "\x09", "unit not ready, self-test in progress")
    ROW("\x04", "\x0a", "unit not accessible, asymmetric access state transition")
    ROW("\x04", "\x0b", "unit not accessible, target port in standby state")
    ROW("\x04", "\x0c", "unit not accessible, target port in unavailable state")
    ROW("\x04", "\x10", "unit not ready, auxiliary memory not accessible")
    ROW("\x04", "\x11", "unit not ready, notify (enable spinup) required")
    ROW("\x04", "\x12", "unit not ready, offline")
    ROW("\x04", "\x14", "unit not ready, space allocation in progress")
    ROW("\x04", "\x1b", "unit not ready, sanitize in progress")
    ROW("\x04", "\x1c", "unit not ready, additional power use not yet granted")
    ROW("\x05", "\x00", "unit does not respond to selection")
    ROW("\x08", "\x00", "unit communication failure")
    ROW("\x08", "\x01", "unit communication time-out")
    ROW("\x08", "\x02", "unit communication parity error")
    ROW("\x08", "\x03", "unit communication CRC error")
    ROW("\x09", "\x00", "track following error")
    ROW("\x0b", "\x00", "warning")
    ROW("\x0b", "\x01", "warning, specified temperature exceeded")
    ROW("\x0c", "\x00", "write error")
    ROW("\x0c", "\x02", "write error, reassignment failed")
    ROW("\x0c", "\x03", "write error, reassignment recommended")
    ROW("\x0c", "\x07", "write error, recovery needed")
    ROW("\x0c", "\x09", "write error, loss of streaming")
    ROW("\x0c", "\x0d", "write error, not enough unsolicited data")
    ROW("\x0e", "\x00", "invalid information unit")
    ROW("\x10", "\x00", "ID CRC or ECC error")
    ROW("\x10", "\x01", "logical block guard check failed")
    ROW("\x10", "\x02", "logical block application tag check failed")
    ROW("\x10", "\x03", "logical block reference tag check failed")
    ROW("\x11", "\x00", "unrecovered read error")
    ROW("\x11", "\x01", "read retries exhausted")
    ROW("\x11", "\x02", "error too long to correct")
    ROW("\x11", "\x03", "multiple read errors")
    ROW("\x11", "\x04", "unrecovered read error, automatic reallocation failed")
    ROW("\x11", "\x05", "L-EC uncorrectable error")
    ROW("\x11", "\x06", "CIRC unrecovered error")
    ROW("\x11", "\x0b", "unrecovered read error, reassignment recommended")
    ROW("\x11", "\x0c", "unrecovered read error, rewriting recommended")
    ROW("\x11", "\x0f", "error reading UPC/EAN number")
    ROW("\x11", "\x14", "read error, block marked bad by application client")
    ROW("\x13", "\x00", "address mark not found for data field")
    ROW("\x14", "\x00", "recorded entity not found")
    ROW("\x14", "\x01", "record not found")
    ROW("\x15", "\x00", "random positioning error")
    ROW("\x15", "\x01", "mechanical positioning error")
    ROW("\x16", "\x00", "data synchronization mark error")
    ROW("\x17", "\x00", "recovered data without error correction")
    ROW("\x17", "\x01", "recovered data with retries")
    ROW("\x18", "\x00", "recovered data with error correction")
    ROW("\x19", "\x00", "defect list error")
    ROW("\x1a", "\x00", "parameter list length error")
    ROW("\x1b", "\x00", "synchronous data transfer error")
    ROW("\x1c", "\x00", "defect list not found")
    ROW("\x1d", "\x00", "miscompare during verify operation")
    ROW("\x20", "\x00", "invalid command operation code")
    ROW("\x20", "\x02", "access denied, no access rights")
    ROW("\x21", "\x00", "logical block address out of range")
    ROW("\x21", "\x01", "invalid element address")
    ROW("\x21", "\x02", "invalid address for write")
    ROW("\x21", "\x04", "unaligned write command")
    ROW("\x21", "\x05", "write boundary violation")
    ROW("\x24", "\x00", "invalid field in CDB")
    ROW("\x25", "\x00", "logical unit not supported")
    ROW("\x26", "\x00", "invalid field in parameter list")
    ROW("\x26", "\x01", "parameter not supported")
    ROW("\x26", "\x02", "parameter value invalid")
    ROW("\x26", "\x04", "invalid release of persistent reservation")
    ROW("\x27", "\x00", "write protected")
    ROW("\x27", "\x01", "hardware write protected")
    ROW("\x27", "\x02", "unit software write protected")
    ROW("\x27", "\x03", "associated write protect")
    ROW("\x27", "\x04", "persistent write protect")
    ROW("\x27", "\x05", "permanent write protect")
    ROW("\x27", "\x07", "space allocation failed write protect")
    ROW("\x28", "\x00", "medium may have changed")
    ROW("\x28", "\x01", "import or export element accessed")
    ROW("\x28", "\x02", "format layer may have changed")
    ROW("\x29", "\x00", "power on, reset or bus device reset occurred")
    ROW("\x29", "\x01", "power on occurred")
    ROW("\x29", "\x02", "bus reset occurred")
    ROW("\x29", "\x03", "target reset occurred")
    ROW("\x29", "\x04", "internal reset of the device")
    ROW("\x29", "\x05", "transceiver mode changed to single-ended")
    ROW("\x29", "\x06", "transceiver mode changed to LVD")
    ROW("\x29", "\x07", "I_T nexus loss occurred")
    ROW("\x2a", "\x00", "parameters changed")
    ROW("\x2a", "\x01", "mode parameters changed")
    ROW("\x2a", "\x02", "log parameters changed")
    ROW("\x2a", "\x03", "reservations preempted")
    ROW("\x2a", "\x04", "reservations released")
    ROW("\x2a", "\x05", "registrations preempted")
    ROW("\x2a", "\x06", "asymmetric access state changed")
    ROW("\x2a", "\x07", "implicit asymmetric access state transition failed")
    ROW("\x2a", "\x08", "priority changed")
    ROW("\x2a", "\x09", "capacity data has changed")
    ROW("\x2a", "\x0a", "error history nexus cleared")
    ROW("\x2a", "\x10", "timestamp changed")
    ROW("\x2b", "\x00", "copy cannot execute, host cannot disconnect")
    ROW("\x2c", "\x00", "command sequence error")
    ROW("\x2c", "\x09", "previous reservation conflict status")
    ROW("\x2e", "\x00", "insufficient time for operation")
    ROW("\x2f", "\x00", "commands cleared by another initiator")
    ROW("\x2f", "\x01", "commands cleared by power loss notification")
    ROW("\x2f", "\x02", "commands cleared by device server")
    ROW("\x30", "\x00", "incompatible medium installed")
    ROW("\x30", "\x01", "cannot read medium, unknown format")
    ROW("\x30", "\x02", "cannot read medium, incompatible format")
    ROW("\x30", "\x03", "cleaning cartridge installed")
    ROW("\x30", "\x05", "cannot write medium, incompatible format")
    ROW("\x30", "\x06", "cannot format medium, incompatible medium")
    ROW("\x30", "\x10", "medium not formatted")
    ROW("\x31", "\x00", "medium format corrupted")
    ROW("\x31", "\x01", "format command failed")
    ROW("\x32", "\x00", "no defect spare location available")
    ROW("\x35", "\x00", "enclosure services failure")
    ROW("\x37", "\x00", "rounded parameter")
    ROW("\x38", "\x07", "thin provisioning soft threshold reached")
    ROW("\x39", "\x00", "saving parameters not supported")
    ROW("\x3a", "\x00", "medium not present")
    ROW("\x3a", "\x01", "medium not present, tray closed")
    ROW("\x3a", "\x02", "medium not present, tray open")
    ROW("\x3a", "\x03", "medium not present, loadable")
    ROW("\x3b", "\x00", "sequential positioning error")
    ROW("\x3b", "\x0e", "medium source element empty")
    ROW("\x3b", "\x16", "mechanical positioning error")
    ROW("\x3d", "\x00", "invalid bits in identify message")
    ROW("\x3e", "\x00", "unit has not self-configured yet")
    ROW("\x3e", "\x01", "unit failure")
    ROW("\x3e", "\x02", "time-out of unit")
    ROW("\x3e", "\x03", "unit failed self-test")
    ROW("\x3f", "\x00", "target operating conditions have changed")
    ROW("\x3f", "\x01", "microcode has been changed")
    ROW("\x3f", "\x02", "changed operating definition")
    ROW("\x3f", "\x03", "INQUIRY data has changed")
    ROW("\x3f", "\x04", "component device attached")
    ROW("\x3f", "\x05", "device identifier changed")
    ROW("\x3f", "\x06", "redundancy group created or modified")
    ROW("\x3f", "\x0e", "reported LUNs data has changed")
    ROW("\x3f", "\x10", "medium loadable")
    ROW("\x3f", "\x11", "medium auxiliary memory accessible")
    ROW("\x40", ANY, "diagnostic failure on component")
    ROW("\x41", "\x00", "data path failure")
    ROW("\x43", "\x00", "message error")
    ROW("\x44", "\x00", "internal target failure")
    ROW("\x45", "\x00", "select or reselect failure")
    ROW("\x46", "\x00", "unsuccessful soft reset")
    ROW("\x47", "\x00", "SCSI parity error")
    ROW("\x47", "\x01", "data phase CRC error detected")
    ROW("\x47", "\x03", "information unit CRC error detected")
    ROW("\x48", "\x00", "initiator detected error message received")
    ROW("\x49", "\x00", "invalid message error")
    ROW("\x4a", "\x00", "command phase error")
    ROW("\x4b", "\x00", "data phase error")
    ROW("\x4c", "\x00", "unit failed self-configuration")
    ROW("\x4d", ANY, "tagged overlapped commands")
    ROW("\x4e", "\x00", "overlapped commands attempted")
    ROW("\x50", "\x00", "write append error")
    ROW("\x51", "\x00", "erase failure")
    ROW("\x52", "\x00", "cartridge fault")
    ROW("\x53", "\x00", "medium load or eject failed")
    ROW("\x53", "\x02", "medium removal prevented")
    ROW("\x53", "\x03", "medium removal prevented by data transfer element")
    ROW("\x55", "\x00", "system resource failure")
    ROW("\x55", "\x01", "system buffer full")
    ROW("\x55", "\x02", "insufficient reservation resources")
    ROW("\x55", "\x03", "insufficient resources")
    ROW("\x55", "\x04", "insufficient registration resources")
    ROW("\x57", "\x00", "unable to recover table of contents")
    ROW("\x5a", "\x00", "operator request or state change")
    ROW("\x5a", "\x01", "operator requests removal of the medium")
    ROW("\x5a", "\x02", "operator selected write protect")
    ROW("\x5a", "\x03", "operator selected write permit")
    ROW("\x5b", "\x00", "log exception")
    ROW("\x5c", "\x00", "RPL status change")
    ROW("\x5d", "\x00", "failure prediction threshold exceeded")
    ROW("\x5e", "\x00", "low power condition on")
    ROW("\x63", "\x00", "end of user area encountered on this track")
    ROW("\x64", "\x00", "illegal mode for this track")
    ROW("\x65", "\x00", "voltage fault")
    ROW("\x67", "\x00", "configuration failure")
    ROW("\x6f", "\x00", "copy protection key exchange failure")
    ROW("\x72", "\x00", "session fixation error")
    ROW("\x73", "\x00", "CD control error")
    ROW("\x74", "\x00", "security error");
/* clang-format on */

const char *vst_scsi_asc_text(uint8_t asc, uint8_t ascq)
{
    const uint8_t any = (uint8_t)ANY[0];
    const char *row = asc_texts;

    while (row < asc_texts + sizeof(asc_texts) - 1) {
        uint8_t its_ascq = (uint8_t)row[1];
        if ((uint8_t)row[0] == asc && (its_ascq == ascq || its_ascq == any))
            return row + 2;
        for (row += 2; *row != '\0'; row++)
            ;
        row++;
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
