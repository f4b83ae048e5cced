/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard INQUIRY data. */
#include "scsi/inquiry.h"
#include "tests/fuzz/fuzz_scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scsi_view received = fuzz_received(data, bytes);
    struct scsi_inquiry inquiry;

    if (vst_scsi_inquiry_parse(received, &inquiry) == VST_OK) {
        FUZZ_CHECK(bytes >= 5);
        FUZZ_CHECK(inquiry.qualifier <= 7 && inquiry.type <= 0x1f && inquiry.port_groups <= 3);
        FUZZ_CHECK(vst_scsi_type_name(inquiry.type) != NULL);
        fuzz_check_text(inquiry.vendor, sizeof(inquiry.vendor));
        fuzz_check_text(inquiry.product, sizeof(inquiry.product));
        fuzz_check_text(inquiry.revision, sizeof(inquiry.revision));
    }
    fuzz_received_free(received);
    return 0;
}
