/* SPDX-License-Identifier: BSD-2-Clause */
/* Vital product data: the same bytes to the parser of every page. */
#include "scsi/inquiry.h"
#include "tests/fuzz/fuzz_scsi.h"

static void check_identification(struct scsi_view page)
{
    struct scsi_identification id;
    struct scsi_designator designator;
    size_t at = 0;
    unsigned n = 0;

    while (vst_scsi_next_designator(page, &at, &designator)) {
        fuzz_check_inside(designator.id, page);
        FUZZ_CHECK(designator.type <= 15 && designator.association <= 3);
        FUZZ_CHECK(++n <= page.bytes / 4 && at <= page.bytes);
    }
    if (vst_scsi_identification_parse(page, &id) != VST_OK)
        return;
    fuzz_check_text(id.wwn, sizeof(id.wwn));
    FUZZ_CHECK(strchr(id.wwn, ' ') == NULL);
    FUZZ_CHECK(id.wwn[0] == '\0' || n > 0);
    FUZZ_CHECK(!id.is_unique || id.wwn[0] != '\0');
}

static void check_block_pages(struct scsi_view page)
{
    struct scsi_block_limits limits;
    struct scsi_characteristics characteristics;
    struct scsi_provisioning provisioning;

    if (vst_scsi_block_limits_parse(page, &limits) == VST_OK)
        FUZZ_CHECK(limits.unmap_alignment == 0 ||
                   limits.unmap_alignment < limits.unmap_granularity);
    if (vst_scsi_characteristics_parse(page, &characteristics) == VST_OK)
        FUZZ_CHECK(characteristics.rotational || characteristics.rpm == 0);
    if (vst_scsi_provisioning_parse(page, &provisioning) == VST_OK)
        FUZZ_CHECK(provisioning.type <= 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scsi_view received = fuzz_received(data, bytes);
    struct scsi_pages pages;
    char serial[16];

    FUZZ_CHECK(bytes < 2 || vst_scsi_page_bytes(received, data[1]) <= 4 + 65535);
    if (vst_scsi_pages_parse(received, &pages) == VST_OK)
        FUZZ_CHECK(vst_scsi_has_page(&pages, SCSI_PAGE_SUPPORTED));
    if (vst_scsi_serial_parse(received, serial, sizeof(serial)) == VST_OK) {
        FUZZ_CHECK(serial[0] != '\0' && serial[0] != ' ');
        FUZZ_CHECK(strnlen(serial, sizeof(serial)) < sizeof(serial));
    }
    check_identification(received);
    check_block_pages(received);
    fuzz_received_free(received);
    return 0;
}
