/* SPDX-License-Identifier: BSD-2-Clause */
/* REPORT LUNS, and the 8 bytes by which an adapter names a target and its unit. */
#include "scsi/capacity.h"
#include "tests/fuzz/fuzz_scsi.h"

static void check_lun(const struct vst_scsi_lun *lun, const uint8_t *bytes)
{
    uint8_t again[VST_SCSI_LUN_BYTES], target;
    struct vst_scsi_lun read;

    FUZZ_CHECK(vst_scsi_lun_encode(lun, again) == VST_OK);
    FUZZ_CHECK(memcmp(again, bytes, sizeof(again)) == 0);
    /* Of the well-known units adapters know one alone. */
    if (vst_scsi_nexus_encode(7, lun, again) != VST_OK) {
        FUZZ_CHECK(lun->method == VST_SCSI_LUN_WELL_KNOWN);
        return;
    }
    FUZZ_CHECK(vst_scsi_nexus_decode(again, &target, &read) == VST_OK);
    FUZZ_CHECK(vst_scsi_lun_equal(&read, lun));
    FUZZ_CHECK(target == (lun->method == VST_SCSI_LUN_WELL_KNOWN ? 0 : 7));
}

static void check_nexus(const uint8_t *bytes)
{
    uint8_t again[VST_SCSI_LUN_BYTES], target, same_target;
    struct vst_scsi_lun lun, same;

    if (vst_scsi_nexus_decode(bytes, &target, &lun) != VST_OK)
        return;
    FUZZ_CHECK(vst_scsi_nexus_encode(target, &lun, again) == VST_OK);
    FUZZ_CHECK(vst_scsi_nexus_decode(again, &same_target, &same) == VST_OK);
    FUZZ_CHECK(same_target == target && vst_scsi_lun_equal(&same, &lun));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scsi_view received = fuzz_received(data, bytes);
    struct scsi_luns luns;
    struct vst_scsi_lun lun;

    if (bytes >= VST_SCSI_LUN_BYTES)
        check_nexus(received.at);
    if (vst_scsi_luns_parse(received, &luns) == VST_OK) {
        FUZZ_CHECK(bytes >= SCSI_LUNS_HEADER_BYTES);
        fuzz_check_inside(luns.entries, received);
        FUZZ_CHECK(luns.n_entries <= luns.n_told && luns.n_told <= SCSI_MAX_LUNS);
        FUZZ_CHECK(luns.whole_bytes == 8 + 8 * luns.n_told);
        FUZZ_CHECK(luns.n_entries * 8 == luns.entries.bytes);
        for (uint32_t i = 0; i < luns.n_entries; i++)
            if (vst_scsi_luns_entry(&luns, i, &lun) == VST_OK)
                check_lun(&lun, received.at + 8 + 8 * i);
    }
    fuzz_received_free(received);
    return 0;
}
