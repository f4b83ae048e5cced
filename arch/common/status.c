/* SPDX-License-Identifier: BSD-2-Clause */
#include <vstor/types.h>

static const struct {
    const char *name, *text;
} statuses[VST_N_STATUS] = {
    [VST_OK] = {"ok", "success"},
    [VST_ERR_INVALID] = {"invalid", "misaligned or inconsistent request"},
    [VST_ERR_FULL] = {"full", "queue full"},
    [VST_ERR_TOO_LARGE] = {"too_large", "too large"},
    [VST_ERR_RANGE] = {"range", "beyond the end of the device"},
    [VST_ERR_READ_ONLY] = {"read_only", "read-only device"},
    [VST_ERR_UNSUPPORTED] = {"unsupported", "operation not supported"},
    [VST_ERR_NOT_FOUND] = {"not_found", "not found"},
    [VST_ERR_NO_MEMORY] = {"no_memory", "out of memory"},
    [VST_ERR_IO] = {"io", "I/O error reported by the device"},
    [VST_ERR_TIMEOUT] = {"timeout", "no answer in time"},
    [VST_ERR_BROKEN] = {"broken", "device out of service"},
    [VST_ERR_MALFORMED] = {"malformed", "malformed data"},
    [VST_ERR_RESET] = {"reset", "device reset, outcome unknown"},
    [VST_ERR_MEDIUM] = {"media", "error of the medium"},
    [VST_ERR_NO_MEDIUM] = {"no_medium", "no medium"},
    [VST_ERR_MEDIUM_CHANGED] = {"medium_changed", "medium changed"},
    [VST_ERR_NOT_READY] = {"not_ready", "device not ready"},
    [VST_ERR_RESERVED] = {"reserved", "reserved by somebody else"},
    [VST_ERR_NO_SPACE] = {"no_space", "no space behind the device"},
    [VST_ERR_MISCOMPARE] = {"miscompare", "data differ"},
    [VST_ERR_ZONE_INVALID] = {"zone_invalid", "not possible in this zone or its state"},
    [VST_ERR_ZONE_POINTER] = {"zone_pointer", "not at the zone's write pointer"},
    [VST_ERR_ZONE_MANY_OPEN] = {"zone_many_open", "too many open zones"},
    [VST_ERR_ZONE_MANY_ACTIVE] = {"zone_many_active", "too many active zones"},
    [VST_ERR_GONE] = {"gone", "device unplugged"},
};

const char *vst_status_text(enum vst_status status)
{
    return (unsigned)status < VST_N_STATUS ? statuses[status].text : "unknown status";
}

const char *vst_status_name(enum vst_status status)
{
    return (unsigned)status < VST_N_STATUS ? statuses[status].name : "unknown";
}
