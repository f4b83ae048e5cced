/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The notification protocol of a virtqueue, checked by spin: see README.md.
 *
 * One of SPLIT_EVENT, SPLIT_FLAGS, PACKED is defined. N: size of the ring. M: modulus of the counters
 * (2 * N is the tightest that VIRTIO allows: 65536 for 32768). NO_FENCE n leaves fence n out.
 */
#ifndef N
#define N 2
#endif
#ifndef M
#define M 4
#endif
#ifndef NO_FENCE
#define NO_FENCE 0
#endif

#define DRIVER 0
#define DEVICE 1

/* Memory that both sides see. Each word is written by one side, but for packed descriptors. */
#define AVAIL_IDX   0 /* driver; split */
#define USED_IDX    1 /* device; split */
#define KICK_EVENT  2 /* device: avail_event, or off_wrap of the device event structure */
#define KICK_FLAGS  3 /* device: used->flags, or flags of the device event structure */
#define IRQ_EVENT   4 /* driver: used_event, or off_wrap of the driver event structure */
#define IRQ_FLAGS   5 /* driver: avail->flags, or flags of the driver event structure */
#define DESC        6 /* packed: N descriptors, 2 * AVAIL + USED */
#define N_WORDS     (DESC + N)
/* Stores that are no memory: the doorbell register, the interrupt message. In order with the rest. */
#define DOORBELL    100
#define INTERRUPT   101

/* Event suppression flags: 0 tell always, 1 tell never, 2 tell at off_wrap (packed; 2.8.10). */
#define TELL_ALWAYS 0
#define TELL_NEVER  1
#define TELL_AT     2

byte word[N_WORDS];
bool doorbell, interrupt;

/* TSO: stores of a side wait in order in its buffer, while its loads go ahead of them. */
#ifndef DEPTH
#define DEPTH 2
#endif
chan buffer[2] = [DEPTH] of { byte, byte };

#define STORE(side, where, value) buffer[side]!where,value
/* Fence number n: goes on once the side's own stores are visible. */
#define FENCE(side, n) (NO_FENCE == n || empty(buffer[side]))

proctype memory(byte side)
{
    byte where, value;
end:
    do
    :: atomic { buffer[side]?where,value ->
           if
           :: where == DOORBELL -> doorbell = true
           :: where == INTERRUPT -> interrupt = true
           :: else -> word[where] = value
           fi;
           where = 0; value = 0 }
    od
}

/* virtq_event_crossed: to be told at `event`; the counter went from old to new_. (2.7.7.2, 2.7.10) */
#define CROSSED(event, new_, old) (((new_) - (event) - 1 + 2 * M) % M < ((new_) - (old) + M) % M)

#ifdef PACKED
/* Positions run from 0 to 2N - 1: index, and the wrap counter, 1 in the first lap. */
#undef M
#define M 64 /* the modulus of the comparison; positions wrap at 2 * N */
#define LAP  (2 * N)
#define INDEX(pos) ((pos) % N)
#define WRAP(pos)  (1 - (pos) / N)
#define AVAILABLE(pos) (2 * WRAP(pos) + 1 - WRAP(pos))
#define USED(pos)      (3 * WRAP(pos))
/* 2.8.10.1: an event of the other lap lies N before. */
#define EVENT_INDEX(event, new_) (INDEX(event) - (WRAP(event) != WRAP(new_) -> N : 0))
#define TOLD(event, flags, new_, old)                                                              \
    (flags == TELL_ALWAYS ||                                                                       \
     (flags == TELL_AT &&                                                                          \
      (INDEX(new_) - EVENT_INDEX(event, new_) - 1 + M) % M < (new_ - old + LAP) % LAP))
#define HAS_WORK(pos)       (word[DESC + INDEX(pos)] == AVAILABLE(pos))
#define HAS_COMPLETION(pos) (word[DESC + INDEX(pos)] == USED(pos))
#define SHOW_WORK(pos)       STORE(DRIVER, DESC + INDEX(pos), AVAILABLE(pos))
#define SHOW_COMPLETION(pos) STORE(DEVICE, DESC + INDEX(pos), USED(pos))
#else
#define LAP  M
#define HAS_WORK(pos)       (word[AVAIL_IDX] != (pos))
#define HAS_COMPLETION(pos) (word[USED_IDX] != (pos))
#ifdef SPLIT_EVENT
#define TOLD(event, flags, new_, old) CROSSED(event, new_, old)
#else
#define TOLD(event, flags, new_, old) (flags == TELL_ALWAYS)
#endif
#endif

/* Asks to be told from position `pos` on, before the recheck. */
inline arm(side, at_event, at_flags, pos)
{
#ifndef SPLIT_FLAGS
    STORE(side, at_event, pos);
#endif
#ifdef PACKED
    STORE(side, at_flags, TELL_AT);
#endif
#ifdef SPLIT_FLAGS
    STORE(side, at_flags, TELL_ALWAYS);
#endif
}

/* Awake: needs no telling, and may say so. With split event index there is nothing to say. */
inline disarm(side, at_flags)
{
#if !defined(SPLIT_EVENT) && !defined(NO_DISARM)
    if
    :: STORE(side, at_flags, TELL_NEVER)
    :: skip
    fi
#else
    skip
#endif
}

/* One 32-bit load of a packed event structure; of the two words a split ring has only one. */
inline load_event(ev, at_event, fl, at_flags)
{
    d_step { ev = word[at_event]; fl = word[at_flags] }
}

proctype driver()
{
    byte put, used, in_flight, old, event, flags, n;

    do
    :: in_flight < N -> /* virtq_put once or twice, then virtq_publish */
        old = put; n = 1;
        if
        :: in_flight + 2 <= N -> n = 2
        :: skip
        fi;
        do
        :: n > 0 ->
#ifdef PACKED
            SHOW_WORK(put);
#endif
            put = (put + 1) % LAP; in_flight++; n--
        :: n == 0 -> break
        od;
#ifndef PACKED
        STORE(DRIVER, AVAIL_IDX, put); /* drv_le16_publish(&vq->avail->idx) */
#endif
        FENCE(DRIVER, 1);              /* arch_full_barrier in virtq_publish */
        load_event(event, KICK_EVENT, flags, KICK_FLAGS); /* virtq_wants_kick */
        if
        :: TOLD(event, flags, put, old) -> STORE(DRIVER, DOORBELL, 0) /* virtq_ring_doorbell */
        :: else
        fi;
        event = 0; flags = 0; old = 0
    :: HAS_COMPLETION(used) && in_flight > 0 -> /* virtq_n_used, virtq_read_next */
        used = (used + 1) % LAP; in_flight--
    :: in_flight > 0 -> /* nothing to do until something completes: re-arm, recheck, halt */
        arm(DRIVER, IRQ_EVENT, IRQ_FLAGS, used);
        FENCE(DRIVER, 2);
        if
        :: HAS_COMPLETION(used)
        :: else ->
halted:     interrupt -> interrupt = false
        fi;
        disarm(DRIVER, IRQ_FLAGS)
    od
}

/* Answers one request, or more at once, and tells the driver if it wants to know. */
inline complete()
{
    old = used;
    do
    :: pending > 0 ->
#ifdef PACKED
        SHOW_COMPLETION(used);
#endif
        used = (used + 1) % LAP; pending--;
        if
        :: break
        :: pending > 0
        fi
    od;
#ifndef PACKED
    STORE(DEVICE, USED_IDX, used);
#endif
    FENCE(DEVICE, 3);
    load_event(event, IRQ_EVENT, flags, IRQ_FLAGS);
    if
    :: TOLD(event, flags, used, old) -> STORE(DEVICE, INTERRUPT, 0)
    :: else
    fi;
    event = 0; flags = 0; old = 0
}

proctype device()
{
    byte taken, used, pending, old, event, flags;

    do
    :: HAS_WORK(taken) && pending < N -> taken = (taken + 1) % LAP; pending++
    :: pending > 0 -> complete()
    :: !HAS_WORK(taken) -> /* nothing to take: ask for the doorbell, recheck, sleep */
        arm(DEVICE, KICK_EVENT, KICK_FLAGS, taken);
        FENCE(DEVICE, 4);
        if
        :: HAS_WORK(taken)
        :: else ->
asleep:     do /* answers go out, but nobody looks for work before the doorbell */
            :: doorbell -> doorbell = false; break
            :: pending > 0 -> complete()
            od
        fi;
        disarm(DEVICE, KICK_FLAGS)
    od
}

/*
 * Nobody moves any more. That happens only with the driver halted and the device asleep, each
 * waiting for the other: a kick or an interrupt was lost, for the driver halts only with requests
 * in flight. Since the driver may halt at any time, every lost kick leads there; spin reports it
 * as an invalid end state.
 */
init
{
    atomic {
#ifdef SPLIT_FLAGS
        word[KICK_FLAGS] = TELL_ALWAYS;
#endif
        run memory(DRIVER); run memory(DEVICE); run driver(); run device()
    }
}
