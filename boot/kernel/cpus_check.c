/* SPDX-License-Identifier: BSD-2-Clause */
/* A look at all CPUs at work, for vstor.log=debug: nothing in the shell shows them so far. */
#include <arch/cpu.h>

#include "boot/kernel/clock.h"
#include "boot/kernel/cpus.h"
#include "boot/kernel/interrupts.h"
#include "boot/kernel/log.h"

#define TIMEOUT_NS 5000000000ull
#define N_ROUNDS   100u

/* What each CPU has done; counters that others read are atomic. */
static struct tally {
    unsigned cpu, n_ran, n_interrupts, n_elsewhere;
    struct interrupt interrupt;
    bool allocated;
} tallies[CPUS_MAX];

static unsigned look(const unsigned *count)
{
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

static void count(void *argument)
{
    struct tally *tally = argument;

    tally->n_elsewhere += this_cpu() != tally->cpu;
    __atomic_add_fetch(&tally->n_ran, 1, __ATOMIC_RELEASE);
}

static void count_interrupt(void *ctx)
{
    struct tally *tally = ctx;

    tally->n_elsewhere += this_cpu() != tally->cpu;
    __atomic_add_fetch(&tally->n_interrupts, 1, __ATOMIC_RELEASE);
}

static unsigned run_everywhere(void)
{
    unsigned n_done = 0;

    count(&tallies[0]);
    for (unsigned cpu = 1; cpu < n_cpus(); cpu++)
        if (!cpu_run(cpu, count, &tallies[cpu]))
            log_printf(VST_LOG_WARNING, "cpus: number %u takes no work", cpu);
    for (unsigned cpu = 0; cpu < n_cpus(); cpu++)
        n_done += (cpu == 0 || cpu_wait(cpu, TIMEOUT_NS)) && look(&tallies[cpu].n_ran) == 1;
    return n_done;
}

static unsigned interrupt_all(void)
{
    uint64_t start_ns = clock_ns();
    unsigned n_done = 0;

    for (unsigned cpu = 0; cpu < n_cpus(); cpu++)
        if (tallies[cpu].allocated)
            interrupts_send(&tallies[cpu].interrupt);
    for (unsigned cpu = 0; cpu < n_cpus(); cpu++) {
        struct tally *tally = &tallies[cpu];
        while (look(&tally->n_interrupts) == 0 && clock_ns() - start_ns < TIMEOUT_NS)
            arch_pause();
        n_done +=
            look(&tally->n_interrupts) == 1 && interrupts_count(cpu, tally->interrupt.vector) == 1;
    }
    return n_done;
}

/* ---------------------------------------------------------------- wake-ups */

struct player {
    const struct tally *tally;
    unsigned n_seen;
};

static bool has_news(void *ctx)
{
    const struct player *player = ctx;

    return look(&player->tally->n_interrupts) != player->n_seen;
}

static void await_news(struct player *player)
{
    while (!has_news(player))
        interrupts_idle_unless(has_news, player);
    player->n_seen++;
}

static void play_back(void *argument)
{
    struct player *player = argument;

    for (unsigned i = 0; i < N_ROUNDS; i++) {
        await_news(player);
        interrupts_send(&tallies[0].interrupt);
    }
}

/* Two CPUs wake each other in turn, each from hlt; one wake-up lost would end it. */
static unsigned play(unsigned other)
{
    struct player here = {&tallies[0], look(&tallies[0].n_interrupts)};
    struct player there = {&tallies[other], look(&tallies[other].n_interrupts)};

    if (!cpu_run(other, play_back, &there))
        return 0;
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        interrupts_send(&tallies[other].interrupt);
        await_news(&here);
    }
    return cpu_wait(other, TIMEOUT_NS) ? N_ROUNDS : 0;
}

void cpus_check(void)
{
    unsigned n_elsewhere = 0, n_strays = 0, n_rounds = 0;

    for (unsigned cpu = 0; cpu < n_cpus(); cpu++) {
        struct tally *tally = &tallies[cpu];
        *tally = (struct tally){.cpu = cpu};
        tally->allocated =
            interrupts_allocate(cpu, count_interrupt, tally, &tally->interrupt) == VST_OK;
    }
    unsigned n_ran = run_everywhere(), n_interrupted = interrupt_all();
    if (n_interrupted == n_cpus() && n_cpus() > 1)
        n_rounds = play(n_cpus() - 1);
    for (unsigned cpu = 0; cpu < n_cpus(); cpu++) {
        n_elsewhere += tallies[cpu].n_elsewhere;
        n_strays += (unsigned)interrupts_count_strays(cpu);
        if (tallies[cpu].allocated && !interrupts_free(&tallies[cpu].interrupt))
            log_printf(VST_LOG_WARNING, "cpus: number %u does not leave its handler", cpu);
    }
    log_printf(VST_LOG_DEBUG,
               "cpus: check: %u ran, %u were interrupted, %u wake-ups, %u elsewhere, %u strays",
               n_ran, n_interrupted, n_rounds, n_elsewhere, n_strays);
}
