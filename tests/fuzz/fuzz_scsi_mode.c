/* SPDX-License-Identifier: BSD-2-Clause */
/* Mode parameters of both forms; where there is a cache, the list that switches it is one that the
 * parser reads as switched. */
#include "scsi/mode.h"
#include "tests/fuzz/fuzz_scsi.h"

static void check_switch(const struct scsi_mode *mode, enum scsi_mode_form form, bool on)
{
    uint8_t *list = malloc(SCSI_MODE_BYTES);
    struct scsi_mode switched;
    size_t n = 0;

    enum vst_status status = vst_scsi_mode_put_write_cache(mode, on, list, SCSI_MODE_BYTES, &n);
    if (status == VST_OK) {
        /* As a unit would send it. */
        scsi_put(list, n - (form == SCSI_MODE_10 ? 2 : 1), form == SCSI_MODE_10 ? 2 : 1);
        FUZZ_CHECK(vst_scsi_mode_parse(scsi_view_of(list, n), form, &switched) == VST_OK);
        FUZZ_CHECK(switched.has_caching && switched.write_cache == on);
        FUZZ_CHECK(switched.read_cache == mode->read_cache && !switched.write_protected);
        FUZZ_CHECK(switched.caching.bytes == mode->caching.bytes);
    }
    FUZZ_CHECK(status == VST_ERR_UNSUPPORTED ? !mode->has_caching : mode->has_caching);
    free(list);
}

static void check(struct scsi_view received, enum scsi_mode_form form)
{
    struct scsi_mode mode;

    if (vst_scsi_mode_parse(received, form, &mode) != VST_OK)
        return;
    fuzz_check_inside(mode.pages, received);
    fuzz_check_inside(mode.caching, mode.pages);
    FUZZ_CHECK(mode.has_caching == (mode.caching.bytes >= 3));
    FUZZ_CHECK(mode.has_caching || !mode.write_cache);
    check_switch(&mode, form, true);
    check_switch(&mode, form, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scsi_view received = fuzz_received(data, bytes);

    check(received, SCSI_MODE_6);
    check(received, SCSI_MODE_10);
    fuzz_received_free(received);
    return 0;
}
