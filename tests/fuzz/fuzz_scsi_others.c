/* SPDX-License-Identifier: BSD-2-Clause */
/* Media events, tables of contents, features, reservations, port groups: the same bytes to the parser of each. */
#include <string.h>

#include "scsi/media.h"
#include "scsi/port_groups.h"
#include "scsi/reservations.h"
#include "tests/fuzz/fuzz_scsi.h"

static void check_media(struct scsi_view received)
{
    struct scsi_media_status media;
    struct scsi_configuration configuration;
    struct scsi_feature feature;
    struct scsi_toc toc;
    uint64_t n_blocks;

    if (vst_scsi_cd_capacity_parse(received, &n_blocks) == VST_OK)
        FUZZ_CHECK(n_blocks > 0 && n_blocks <= UINT32_MAX);
    if (vst_scsi_media_status_parse(received, &media) == VST_OK)
        FUZZ_CHECK(media.event < SCSI_MEDIA_N_EVENTS);
    if (vst_scsi_toc_parse(received, &toc) == VST_OK) {
        fuzz_check_inside(toc.entries, received);
        FUZZ_CHECK(toc.n_entries <= 100 && toc.first_track >= 1 && toc.last_track <= 99);
        for (unsigned i = 0; i <= toc.n_entries; i++)
            (void)vst_scsi_toc_track(&toc, i);
    }
    if (vst_scsi_configuration_parse(received, &configuration) == VST_OK) {
        fuzz_check_inside(configuration.features, received);
        FUZZ_CHECK(configuration.whole_bytes >= 8 && configuration.whole_bytes <= UINT16_MAX);
        FUZZ_CHECK(vst_scsi_profile_name(configuration.profile) != NULL);
        for (uint16_t code = 0; code <= SCSI_FEATURE_RANDOM_WRITE; code += 16)
            if (vst_scsi_find_feature(&configuration, code, &feature))
                fuzz_check_inside(feature.data, configuration.features);
    }
}

static void check_reservations(struct scsi_view received)
{
    struct scsi_keys keys;
    struct vst_scsi_reservation reservation;
    struct vst_scsi_reservation_capabilities capabilities;

    if (vst_scsi_keys_parse(received, &keys) == VST_OK) {
        fuzz_check_inside(keys.keys, received);
        FUZZ_CHECK(keys.n_keys * 8 <= keys.keys.bytes && keys.whole_bytes <= UINT16_MAX);
        for (uint32_t i = 0; i <= keys.n_keys; i++)
            FUZZ_CHECK(i < keys.n_keys || vst_scsi_key(&keys, i) == 0);
    }
    if (vst_scsi_reservation_parse(received, &reservation) == VST_OK)
        FUZZ_CHECK(reservation.type <= 15 && vst_scsi_reservation_name(reservation.type) != NULL);
    if (vst_scsi_reservation_capabilities_parse(received, &capabilities) == VST_OK)
        FUZZ_CHECK(capabilities.tells_types || capabilities.types == 0);
}

static void check_full_status(struct scsi_view received)
{
    struct scsi_full_status full;
    struct scsi_registration registration;
    size_t at = 0, n = 0;

    if (vst_scsi_full_status_parse(received, &full) != VST_OK)
        return;
    fuzz_check_inside(full.descriptors, received);
    while (vst_scsi_next_registration(&full, &at, &registration)) {
        char who[40];
        fuzz_check_inside(registration.transport_id, full.descriptors);
        memset(who, 1, sizeof(who));
        vst_scsi_transport_text(registration.transport_id, who, sizeof(who));
        FUZZ_CHECK(memchr(who, 0, sizeof(who)) != NULL);
        FUZZ_CHECK(++n <= full.descriptors.bytes / 24 && at <= full.descriptors.bytes);
    }
}

static void check_port_groups(struct scsi_view received)
{
    struct scsi_port_groups groups;
    struct scsi_port_group group;
    size_t at = 0, n = 0;

    if (vst_scsi_port_groups_parse(received, &groups) != VST_OK)
        return;
    fuzz_check_inside(groups.groups, received);
    while (vst_scsi_next_port_group(&groups, &at, &group)) {
        fuzz_check_inside(group.ports, groups.groups);
        FUZZ_CHECK(group.n_ports * 4u == group.ports.bytes);
        FUZZ_CHECK(vst_scsi_port_of_group(&group, group.n_ports) == 0);
        FUZZ_CHECK(++n <= groups.groups.bytes / 8 && at <= groups.groups.bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct scsi_view received = fuzz_received(data, bytes);

    check_media(received);
    check_reservations(received);
    check_full_status(received);
    check_port_groups(received);
    fuzz_received_free(received);
    return 0;
}
