/* SPDX-License-Identifier: BSD-2-Clause */
/* READ CAPACITY, both lengths. */
#include "scsi/capacity.h"
#include "tests/fuzz/fuzz_scsi.h"

static void check(const struct scsi_capacity *c)
{
    FUZZ_CHECK(vst_is_power_of_two(c->block_bytes));
    FUZZ_CHECK(c->block_bytes >= 512 && c->block_bytes <= SCSI_MAX_BLOCK_BYTES);
    FUZZ_CHECK(vst_is_power_of_two(c->physical_block_bytes));
    FUZZ_CHECK(c->physical_block_bytes >= c->block_bytes);
    FUZZ_CHECK(c->n_blocks > 0);
    FUZZ_CHECK(c->n_sectors / (c->block_bytes / 512) == c->n_blocks);
    FUZZ_CHECK(c->n_sectors % (c->block_bytes / 512) == 0);
    FUZZ_CHECK(c->protection_type <= 8 && c->first_aligned_block < 1u << 14);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scsi_view received = fuzz_received(data, bytes);
    struct scsi_capacity capacity;

    enum vst_status status = vst_scsi_capacity_10_parse(received, &capacity);
    FUZZ_CHECK(status == VST_OK || status == VST_ERR_TOO_LARGE || status == VST_ERR_MALFORMED);
    if (status == VST_OK)
        check(&capacity);
    status = vst_scsi_capacity_16_parse(received, &capacity);
    FUZZ_CHECK(status == VST_OK || status == VST_ERR_MALFORMED);
    if (status == VST_OK)
        check(&capacity);
    fuzz_received_free(received);
    return 0;
}
