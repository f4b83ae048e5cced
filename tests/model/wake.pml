/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One CPU gives another one work, or passes an interrupt on, and wakes it from hlt, checked by spin: see
 * README.md. The stores of the giver wait in a buffer; the write to x2APIC's MSR does not wait with them.
 */
bool work;           /* struct cpu, state == CPU_BUSY */
bool pending;        /* VECTOR_WAKE at the worker's local APIC */
bool masked, halted; /* the worker: cli, hlt */
byte n_given, n_done;

chan buffer = [1] of { bool };

/* The giver's store buffer. */
proctype memory()
{
end:
    do
    :: atomic { buffer?work }
    od
}

/* cpu_run once the worker is idle, and interrupts_send */
proctype giver()
{
    do
    :: n_given == n_done && n_given < 2 ->
        n_given++;
        buffer!true;
#ifndef WITHOUT_SEND_FENCE
        empty(buffer); /* mfence; lfence in send */
#endif
        pending = true
    :: n_given == 2 -> break
    od
}

proctype handler()
{
end:
    do
    :: atomic { pending && !masked -> pending = false; halted = false }
    od
}

/* work(): while (!has_work) interrupts_idle_unless(has_work) */
proctype worker()
{
end:
    do
    :: work -> work = false; n_done++
    :: !work ->
#ifndef WITHOUT_CLI
        masked = true;
#endif
        if
        :: work -> masked = false
        :: else ->
#ifdef WITHOUT_SHADOW
               masked = false;
               halted = true;
#else
               atomic { masked = false; halted = true };
#endif
endhalted:     !halted
        fi
    od
}

/* Nobody moves any more. */
proctype watch()
{
end:
    atomic { timeout -> assert(!work) /* else the worker sleeps over it */ }
}

init
{
    atomic { run memory(); run giver(); run handler(); run worker(); run watch() }
}
