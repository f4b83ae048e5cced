/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The notification protocol of a virtqueue with interrupt re-arm and idle, checked by spin: see
 * README.md, also for which line stands for which function.
 *
 * One of SPLIT_EVENT, SPLIT_FLAGS, PACKED, PACKED_FLAGS is defined. N: size of the ring. M: modulus
 * of the counters (2 * N is the tightest that VIRTIO allows: 65536 for 32768). DEPTH: of the store
 * buffers. ELSEWHERE: the interrupt goes to another CPU, which passes it on. WITHOUT_...: one link of
 * the protocol is missing.
 */
#ifndef N
#define N 2
#endif
#ifndef M
#define M 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif

#if defined(PACKED) || defined(PACKED_FLAGS)
#define RING_PACKED
#endif
#if defined(SPLIT_EVENT) || defined(PACKED)
#define EVENT_IDX
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
bool doorbell;

/* The driver's CPU: an interrupt waits at its local APIC, cli, hlt. */
bool pending, masked, halted;
bool elsewhere; /* an interrupt waits at the other CPU */

/* TSO: stores of a side wait in order in its buffer, while its loads go ahead of them. */
chan buffer[2] = [DEPTH] of { byte, byte };

#define STORE(side, where, value) buffer[side]!where,value
/* Goes on once the side's own stores are visible. */
#define FENCE(side) empty(buffer[side])

proctype memory(byte side)
{
    byte where, value;
end:
    do
    :: atomic { buffer[side]?where,value ->
           if
           :: where == DOORBELL ->
                  doorbell = true;
#ifndef RING_PACKED
                  assert(word[AVAIL_IDX] == value) /* NOTIFICATION_DATA: 2.9, 4.1.5.2 */
#endif
           :: where == INTERRUPT ->
#ifdef ELSEWHERE
                  elsewhere = true
#else
                  pending = true
#endif
           :: else -> word[where] = value
           fi;
           where = 0; value = 0 }
    od
}

/* virtq_event_crossed: to be told at `event`; the counter went from old to new_. (2.7.7.2, 2.7.10) */
#define CROSSED(event, new_, old)                                                                  \
    (((new_) - (event) - 1 + 2 * M) % M < ((new_) - (old) + M) % M)

#ifdef RING_PACKED
/* Places run from 0 to 2N - 1: offset, and the wrap counter, 1 in the first round. */
#undef M
#define M (2 * N)
#define OFFSET(place) ((place) % N)
#define WRAP(place)   (1 - (place) / N)
#define AVAILABLE(place) (2 * WRAP(place) + 1 - WRAP(place))
#define USED(place)      (3 * WRAP(place))
#define HAS_WORK(place)  (word[DESC + OFFSET(place)] == AVAILABLE(place))
#define IS_USED(place)   (word[DESC + OFFSET(place)] == USED(place)) /* virtq_place_is_used */
#define N_READY          (IS_USED(n_used) -> 1 : 0)
#else
#define HAS_WORK(place)  (word[AVAIL_IDX] != (place))
#define N_READY          ((word[USED_IDX] - n_used + M) % M)
#endif

/* Whether the driver has to ring: virtq_wants_kick_split, virtq_wants_kick_packed. */
#ifdef SPLIT_EVENT
#ifdef WITHOUT_MODULUS
#define WANTS_KICK (n_published > event) /* virtio-drivers: indices compared by size */
#else
#define WANTS_KICK CROSSED(event, n_published, old)
#endif
#else
/* virtq_packed_event_crossed: the event lies BEHIND descriptors before the last one shown. */
#ifdef WITHOUT_ROUNDS
#define ROUNDS 0
#else
#define ROUNDS (WRAP(n_published) != WRAP(event) -> N : 0)
#endif
#define BEHIND (OFFSET(n_published) - OFFSET(event) - 1 + ROUNDS)
#define PACKED_CROSSED (BEHIND >= 0 && BEHIND < (n_published - old + M) % M)
#ifdef RING_PACKED
#define WANTS_KICK (flags == TELL_ALWAYS || (flags == TELL_AT && PACKED_CROSSED))
#else
#define WANTS_KICK (flags == TELL_ALWAYS)
#endif
#endif

/* Whether the device has to interrupt: 2.7.7.2; 2.8.10.1, where an event of the other round lies N before. */
#ifdef SPLIT_EVENT
#define WANTS_INTERRUPT CROSSED(event, given, told)
#else
#define EVENT_OFFSET (OFFSET(event) - (WRAP(event) != WRAP(given) -> N : 0))
#ifdef RING_PACKED
#define WANTS_INTERRUPT                                                                            \
    (flags == TELL_ALWAYS ||                                                                       \
     (flags == TELL_AT &&                                                                          \
      (OFFSET(given) - EVENT_OFFSET - 1 + 64) % 64 < (given - told + M) % M))
#else
#define WANTS_INTERRUPT (flags == TELL_ALWAYS)
#endif
#endif

/* ------------------------------------------------------------------ the driver */

/* struct virtq. n_put, n_published, n_used modulo M. */
byte n_put, n_published, n_used, n_in_flight, n_awaited, armed_place;
bool armed;
bool taken_since; /* n_used != n_used_when_armed; that is 32 bits wide and does not come round */

#define N_PUBLISHED_IN_FLIGHT (n_in_flight - (n_put - n_published + M) % M)

/* vst_virtq_awaited: one look at memory */
#ifdef RING_PACKED
#define HAS_COME IS_USED(armed_place)
#else
#define HAS_COME (N_READY >= n_awaited)
#endif
#ifdef WITHOUT_TAKEN_SINCE
#define AWAITED (n_awaited == 0 || HAS_COME)
#else
#define AWAITED (n_awaited == 0 || taken_since || HAS_COME)
#endif

inline virtq_put()
{
#ifdef RING_PACKED
    STORE(DRIVER, DESC + OFFSET(n_put), AVAILABLE(n_put));
#endif
    n_put = (n_put + 1) % M; n_in_flight++
}

/* blk_kick with virtq_publish */
inline kick()
{
    atomic {
        old = n_published; n_published = n_put;
#ifndef RING_PACKED
        STORE(DRIVER, AVAIL_IDX, n_published)
#endif
    };
#ifndef WITHOUT_KICK_FENCE
    FENCE(DRIVER);
#endif
    atomic {
        event = word[KICK_EVENT]; flags = word[KICK_FLAGS]; /* packed: one load; split: one of them */
        if
        :: WANTS_KICK -> STORE(DRIVER, DOORBELL, n_published)
        :: else
        fi;
        event = 0; flags = 0; old = 0
    }
}

/* blk_poll: what comes with one look, all of it or `max` = 1; packed: one, and again */
inline poll()
{
    if
    :: n_put != n_published -> kick()
    :: else
    fi;
    atomic {
        n = N_READY;
        assert(n <= N_PUBLISHED_IN_FLIGHT); /* no honest device is taken for a liar */
        if
        :: n > 1 -> n = 1
        :: true
        fi;
        n_used = (n_used + n) % M; n_in_flight = n_in_flight - n;
        taken_since = taken_since || (n > 0 && n_awaited > 0);
#ifdef SPLIT_EVENT
        if
        :: n > 0 && !armed -> STORE(DRIVER, IRQ_EVENT, (n_used + M - 1) % M) /* look_after, now and then */
        :: true
        fi;
#endif
        n = 0
    }
}

/* vst_virtq_arm */
inline arm()
{
    atomic {
        n = 1;
#ifdef EVENT_IDX
        do
        :: n < N -> n++ /* as many as the caller likes */
        :: break
        od;
#endif
        n = (n > N_PUBLISHED_IN_FLIGHT -> N_PUBLISHED_IN_FLIGHT : n);
        n_awaited = n; taken_since = false;
        if
        :: n == 0
        :: else ->
               armed = true; armed_place = (n_used + n - 1) % M; n = 0;
#ifdef WITHOUT_EXACT_PLACE
               armed_place = (armed_place + 1) % M; /* taken for the index that it will be told at */
#endif
#ifdef EVENT_IDX
               STORE(DRIVER, IRQ_EVENT, armed_place);
#endif
#ifdef PACKED
               STORE(DRIVER, IRQ_FLAGS, TELL_AT);
#endif
#ifndef EVENT_IDX
               STORE(DRIVER, IRQ_FLAGS, TELL_ALWAYS);
#endif
#ifndef RING_PACKED
               armed_place = 0
#endif
        fi
    };
#ifdef WITHOUT_ARM_FENCE
    skip
#else
    FENCE(DRIVER)
#endif
}

/* vst_virtq_disarm */
inline disarm()
{
    atomic {
        n_awaited = 0; taken_since = false; armed_place = 0;
        if
        :: !armed
        :: else ->
               armed = false;
#ifdef SPLIT_EVENT
               STORE(DRIVER, IRQ_EVENT, (n_used + M - 1) % M)
#else
               STORE(DRIVER, IRQ_FLAGS, TELL_NEVER)
#endif
        fi
    }
}

/* interrupts_idle_unless(vst_block_awaited): cli; the look; sti, or sti and hlt in one */
inline idle_unless_awaited()
{
#ifndef WITHOUT_CLI
    masked = true;
#endif
    if
#ifndef WITHOUT_LOOK
    :: AWAITED -> masked = false
#endif
    :: else ->
#if defined(WITHOUT_CLI) || defined(WITHOUT_SHADOW)
           masked = false;
           halted = true;
#else
           atomic { masked = false; halted = true };
#endif
endhalted: !halted
    fi
}

/*
 * One CPU. It waits as block.h has it: arm, idle unless awaited, disarm; or, with ANY_ORDER, it does each
 * of these when it likes, arms again further on, polls and submits while armed.
 */
proctype driver()
{
    byte old, event, flags, n;

    do
    :: atomic { n_in_flight < N -> virtq_put() }
    :: n_put != n_published -> kick()
    :: n_in_flight > 0 -> poll()
#ifdef ANY_ORDER
    :: n_in_flight > 0 -> arm()
    :: n_awaited > 0 || armed -> disarm()
    :: n_awaited > 0 && n_put == n_published -> idle_unless_awaited()
#else
    :: n_in_flight > 0 && n_put == n_published -> /* kick before you wait */
        arm();
        idle_unless_awaited();
        disarm()
#endif
    od
}

/*
 * handle_message, handle_line, VECTOR_WAKE: whatever interrupts this CPU has no effect but that hlt
 * ends. Edge by MSI-X; with INTx `pending` is the device's ISR bit, which the handler's read clears.
 */
proctype handler()
{
end:
    do
    :: atomic { pending && !masked -> pending = false; halted = false }
#ifdef ELSEWHERE
    :: atomic { elsewhere -> elsewhere = false; pending = true } /* told: interrupts_wake */
#endif
    od
}

/* A tick of the local APIC, an interrupt of others: taken at other times than in hlt it changes nothing. */
proctype others()
{
end:
    do
    :: atomic { halted -> halted = false }
    od
}

/* ------------------------------------------------------------------ the device */

byte n_held;   /* requests taken and not answered */
byte n_untold; /* used entries put and not told of */
bool asleep; /* until the doorbell rings */
byte taken; /* requests ever taken, modulo M: where it looks for the next */

/* Puts a used entry; tells of it at once, or of several later. */
inline give()
{
#ifdef RING_PACKED
    STORE(DEVICE, DESC + OFFSET(given), USED(given));
    given = (given + 1) % M;
#else
    given = (given + 1) % M;
    STORE(DEVICE, USED_IDX, given);
#endif
    n_held--; n_untold++
}

inline tell()
{
#ifndef WITHOUT_DEVICE_TELL_FENCE
    FENCE(DEVICE);
#endif
#ifdef PACKED
    flags = word[IRQ_FLAGS]; /* two loads, flags first */
#endif
    atomic {
#ifndef PACKED
        flags = word[IRQ_FLAGS];
#endif
        event = word[IRQ_EVENT];
        if
        :: WANTS_INTERRUPT -> STORE(DEVICE, INTERRUPT, 0)
        :: else
        fi;
        told = given; n_untold = 0; event = 0; flags = 0
    }
}

/* Its own re-arm: asks for the doorbell, then looks again. */
inline ask_for_doorbell()
{
    atomic {
#ifdef EVENT_IDX
        STORE(DEVICE, KICK_EVENT, taken);
#endif
#ifdef PACKED
        STORE(DEVICE, KICK_FLAGS, TELL_AT)
#endif
#ifndef EVENT_IDX
        STORE(DEVICE, KICK_FLAGS, TELL_ALWAYS)
#endif
    };
#ifndef WITHOUT_DEVICE_ASK_FENCE
    FENCE(DEVICE)
#else
    skip
#endif
}

/* Awake it needs no doorbell, and says so or not; with split event index there is nothing to say. */
inline need_no_doorbell()
{
#ifndef SPLIT_EVENT
    if
    :: STORE(DEVICE, KICK_FLAGS, TELL_NEVER)
#ifndef PACKED /* which has the most states */
    :: true
#endif
    fi
#else
    skip
#endif
}

proctype device()
{
    byte given, told, event, flags;

    do
    :: atomic { HAS_WORK(taken) -> taken = (taken + 1) % M; n_held++ }
    :: atomic { n_held > 0 && n_untold < N -> give() }
    :: n_untold > 0 -> tell()
    :: !HAS_WORK(taken) -> /* nothing to take: ask for the doorbell, look again, sleep */
        ask_for_doorbell();
        if
#ifndef WITHOUT_DEVICE_LOOK
        :: HAS_WORK(taken)
#endif
        :: else ->
               asleep = true;
               do /* answers go out, but nobody looks for work before the doorbell */
               :: atomic { doorbell -> doorbell = false; asleep = false }; break
               :: atomic { n_held > 0 && n_untold < N -> give() }
               :: n_untold > 0 -> tell()
               od
        fi;
        need_no_doorbell()
    od
}

/*
 * The driver in hlt, the device waiting for its doorbell, nothing under way between them: only a tick or
 * an answer that the device keeps to itself could go on from here.
 */
#define AT_REST                                                                                    \
    (halted && asleep && !pending && !elsewhere && !doorbell && n_untold == 0 &&                   \
     empty(buffer[DRIVER]) && empty(buffer[DEVICE]))

proctype watch()
{
end:
    atomic {
        AT_REST && (HAS_WORK(taken) || AWAITED || n_held == 0) ->
            assert(!HAS_WORK(taken)); /* else a kick was lost */
            assert(!AWAITED);         /* else a wake-up was lost */
            assert(n_held > 0)        /* else what it waits for is never to come */
    }
}

init
{
    atomic {
#ifdef SPLIT_EVENT
        word[IRQ_EVENT] = M - 1;
#else
        word[IRQ_FLAGS] = TELL_NEVER;
#endif
        run memory(DRIVER); run memory(DEVICE); run driver(); run handler(); run others(); run device();
        run watch()
    }
}
