/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/escalation.h"

#define NS_PER_MS 1000000u

/* Adapter resets that may follow each other without lasting effect. */
#define MOST_HBA_RESETS 2u

static const struct scsi_escalation_times usual = {
    .step_ms =
        {
            [SCSI_STEP_RETRY] = 2000,
            [SCSI_STEP_ABORT_TASK] = 5000,
            [SCSI_STEP_LUN_RESET] = 10000,
            [SCSI_STEP_NEXUS_RESET] = 10000,
            [SCSI_STEP_HBA_RESET] = 10000,
        },
    .check_ms = 5000,
    .relapse_ms = 60000,
};

struct scsi_escalation_times vst_scsi_escalation_times_within(uint64_t most_ns)
{
    struct scsi_escalation_times times = usual;
    uint64_t most_ms = most_ns / NS_PER_MS + 1;

    for (unsigned step = SCSI_STEP_RETRY; step < SCSI_STEP_GIVEN_UP; step++)
        if (times.step_ms[step] > most_ms)
            times.step_ms[step] = (uint32_t)most_ms;
    if (times.check_ms > most_ms)
        times.check_ms = (uint32_t)most_ms;
    return times;
}

void vst_scsi_escalation_init(struct scsi_escalation *e, const struct scsi_escalation_times *times)
{
    *e = (struct scsi_escalation){.times = times != NULL ? times : &usual};
}

static void wait_for(struct scsi_escalation *e, uint32_t ms, uint64_t now_ns)
{
    e->deadline_ns = now_ns + (uint64_t)ms * NS_PER_MS;
}

/** To `step`, or the first one behind it that there is. */
static void go_to(struct scsi_escalation *e, unsigned step, uint64_t now_ns)
{
    while (step < SCSI_STEP_GIVEN_UP && e->times->step_ms[step] == 0)
        step++;
    e->step = (uint8_t)step;
    e->checking = false;
    wait_for(e, e->times->step_ms[step], now_ns);
}

static void mend(struct scsi_escalation *e, uint64_t now_ns)
{
    if (e->step == SCSI_STEP_HBA_RESET)
        e->n_hba_resets++;
    e->has_mended = true;
    e->mended = e->step;
    e->mended_ns = now_ns;
    e->step = SCSI_STEP_NONE;
    e->checking = false;
}

/** Where to begin when what mended it last did not mend it for long. */
static unsigned step_after_relapse(const struct scsi_escalation *e)
{
    if (e->mended < SCSI_STEP_HBA_RESET)
        return e->mended + 1u;
    return e->n_hba_resets < MOST_HBA_RESETS ? SCSI_STEP_HBA_RESET : SCSI_STEP_GIVEN_UP;
}

bool vst_scsi_escalation_begin(struct scsi_escalation *e, uint64_t now_ns)
{
    bool relapse =
        e->has_mended && now_ns - e->mended_ns < (uint64_t)e->times->relapse_ms * NS_PER_MS;

    if (e->step != SCSI_STEP_NONE)
        return false;
    if (!relapse)
        e->n_hba_resets = 0;
    go_to(e, relapse ? step_after_relapse(e) : SCSI_STEP_RETRY, now_ns);
    return true;
}

static bool at_work(const struct scsi_escalation *e)
{
    return e->step != SCSI_STEP_NONE && e->step != SCSI_STEP_GIVEN_UP;
}

bool vst_scsi_escalation_answer(struct scsi_escalation *e, enum scsi_step_answer answer,
                                uint64_t now_ns)
{
    if (!at_work(e))
        return false;
    if (answer != SCSI_STEP_DONE) {
        go_to(e, e->step + 1u, now_ns);
    } else if (e->checking || e->step == SCSI_STEP_RETRY || e->times->check_ms == 0) {
        mend(e, now_ns);
    } else {
        e->checking = true;
        wait_for(e, e->times->check_ms, now_ns);
    }
    return true;
}

bool vst_scsi_escalation_tick(struct scsi_escalation *e, uint64_t now_ns)
{
    if (!at_work(e) || now_ns < e->deadline_ns)
        return false;
    go_to(e, e->step + 1u, now_ns);
    return true;
}

uint64_t vst_scsi_escalation_longest_ms(const struct scsi_escalation_times *times)
{
    uint64_t sum = 0;

    if (times == NULL)
        times = &usual;
    for (unsigned step = SCSI_STEP_RETRY; step < SCSI_STEP_GIVEN_UP; step++)
        if (times->step_ms[step] != 0)
            sum += times->step_ms[step] + (step != SCSI_STEP_RETRY ? times->check_ms : 0);
    return sum;
}

const char *vst_scsi_step_name(unsigned step)
{
    static const char *const names[SCSI_N_STEPS] = {
        [SCSI_STEP_NONE] = "none",
        [SCSI_STEP_RETRY] = "retry",
        [SCSI_STEP_ABORT_TASK] = "abort task",
        [SCSI_STEP_LUN_RESET] = "LUN reset",
        [SCSI_STEP_NEXUS_RESET] = "I_T nexus reset",
        [SCSI_STEP_HBA_RESET] = "adapter reset",
        [SCSI_STEP_GIVEN_UP] = "given up",
    };

    return step < SCSI_N_STEPS ? names[step] : "unknown";
}
