/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rendezvous of the CPUs when a device is reset, checked by spin: see README.md, also for which line
 * stands for which function of drivers/virtio_recovery.c.
 *
 * OWNERS: queues, each with a CPU of its own. REQUESTS: of each, all of which its ring can hold. FAULTS: how
 * often the device fails. QUEUE_RESET: a queue may be reset alone. GIVE_UP: the device may be taken out of
 * service. POOL: the platform may lack room to map what is to be replayed.
 * WITHOUT_...: one link of the protocol is missing.
 */
#ifndef OWNERS
#define OWNERS 2
#endif
#ifndef REQUESTS
#define REQUESTS 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define DEPTH 3 /* of the store buffers */

/* enum blk_phase */
#define IN_SERVICE     0
#define RECOVERING     1
#define OUT_OF_SERVICE 2
/* enum blk_queue_state */
#define ACTIVE  0
#define RESTING 1
#define SEIZED  2

/* struct blk_device; atomic */
byte phase, generation;
bool busy;
/* struct blk_queue: `state` is atomic, the rest private to the owner */
byte state[OWNERS];
bool at_rest[OWNERS], broken[OWNERS];
byte n_free[OWNERS], rest_n_free[OWNERS], caught_up[OWNERS];
byte in_flight[OWNERS]; /* slots with a token, a set of requests */
byte waiting[OWNERS];   /* to be replayed, once there is room to map them */
byte put[OWNERS];       /* what stands in the ring since it was last empty */
bool unkicked[OWNERS];  /* n_put != n_published */
/* rings: what the device has been shown, and what it has given back */
byte shown[OWNERS], used[OWNERS];

/* the device */
bool live[OWNERS];                /* it runs this queue */
bool lied[OWNERS], mute[OWNERS];  /* the used ring holds a lie; nothing is answered any more: time-out */
bool needs_reset;
byte n_faults;

/* for the checks only */
#define NEW   0
#define OWNED 1 /* by the queue */
#define ENDED 2
byte request[OWNERS * REQUESTS];
byte due[OWNERS];         /* requests to be replayed: in flight when their queue was reset */
byte n_resets;            /* of the device */
bool being_reset[OWNERS]; /* from the reset to the hand-back the ring is nobody's but the leader's */

/* TSO: a CPU's stores wait in order in its buffer; a locked instruction waits until it is empty. */
#define STATE      0 /* + queue */
#define SHOWN      8 /* + queue; by its owner */
#define DISARM     12 /* + queue; by its owner: of the ring, too */
#define CLEAR      16 /* + queue; by recovery */
#define LIVE       24 /* + queue; a register */
#define PHASE      32
#define GENERATION 33
#define BUSY       34
chan buffer[OWNERS] = [DEPTH] of { byte, byte };
#define STORE(where, value) buffer[me]!where,value
#define LOCKED empty(buffer[me])
/* A CPU sees its own stores at once. */
#define PHASE_OF                                                                                   \
    (buffer[me]??[PHASE, OUT_OF_SERVICE] -> OUT_OF_SERVICE :                                       \
     (buffer[me]??[PHASE, RECOVERING] -> RECOVERING :                                              \
      (buffer[me]??[PHASE, IN_SERVICE] -> IN_SERVICE : phase)))

proctype memory(byte me)
{
    byte where, value;
end:
    do
    :: atomic { buffer[me]?where,value ->
           if
           :: where == PHASE -> phase = value
           :: where == GENERATION -> generation = value
           :: where == BUSY -> busy = value
           :: where >= LIVE && where < PHASE -> live[where - LIVE] = true
           :: where >= CLEAR && where < LIVE -> shown[where - CLEAR] = 0; used[where - CLEAR] = 0
           :: where >= DISARM && where < CLEAR -> assert(!being_reset[where - DISARM])
           :: where >= SHOWN && where < DISARM ->
                  assert(!being_reset[where - SHOWN]);
                  shown[where - SHOWN] = value
           :: else -> state[where] = value; being_reset[where] = false
           fi;
           where = 0; value = 0 }
    od
}

/* The owner looks at its ring or writes to it: nobody else may be there. */
#define TOUCH_RING assert(!being_reset[me])

#define BIT(i) (1 << (i))
#define NTH(i) (me * REQUESTS + (i))

/* any_in_flight */
#ifdef WITHOUT_WAITING
#define ANY_IN_FLIGHT (in_flight[me] != 0)
#else
#define ANY_IN_FLIGHT ((in_flight[me] | waiting[me]) != 0)
#endif

/* ------------------------------------------------------------------ the device */

/* It has no right to a buffer whose request has ended. */
inline answer(q)
{
    i = 0;
    do
    :: i < REQUESTS && (shown[q] & ~used[q] & BIT(i)) != 0 -> break
    :: i < REQUESTS -> i++
    :: i == REQUESTS -> break
    od;
    if
    :: i < REQUESTS ->
           assert(request[q * REQUESTS + i] == OWNED);
           used[q] = used[q] | BIT(i)
    :: else
    fi;
    i = 0
}

#define HAS_WORK(q) (live[q] && !needs_reset && !lied[q] && !mute[q] && (shown[q] & ~used[q]) != 0)

proctype device()
{
    byte i;
end:
    do
    :: atomic { HAS_WORK(0) -> answer(0) }
    :: atomic { HAS_WORK(1) -> answer(1) }
#if OWNERS > 2
    :: atomic { HAS_WORK(2) -> answer(2) }
#endif
    :: atomic { n_faults < FAULTS && live[0] ->
           n_faults++;
           if
           :: lied[0] = true
           :: lied[1] = true
           :: mute[0] = true
           :: needs_reset = true
           fi }
    od
}

/* ------------------------------------------------------------------ rest */

/* vst_virtq_disarm, if armed */
inline disarm()
{
    if
    :: !broken[me] -> STORE(DISARM + me, 0)
    :: else
    fi
}

inline shut()
{
    atomic {
#ifdef WITHOUT_DISARM
        STORE(STATE + me, RESTING);
#endif
        disarm();
        at_rest[me] = true;
        rest_n_free[me] = n_free[me];
        n_free[me] = 0;
#ifndef WITHOUT_GATE
        broken[me] = true;
#endif
#ifndef WITHOUT_DISARM
        STORE(STATE + me, RESTING)
#endif
    }
}

/* Sets `opened`; and catch_up, whose look at `generation` comes after the state's */
inline open_queue()
{
    atomic {
#ifdef WITHOUT_OPEN_CAS
        opened = (state[me] == RESTING)
#else
        LOCKED -> opened = (state[me] == RESTING)
#endif
        ;
        if
        :: opened ->
#ifdef WITHOUT_OPEN_CAS
               STORE(STATE + me, ACTIVE);
#else
               state[me] = ACTIVE;
#endif
               at_rest[me] = false; broken[me] = false; n_free[me] = rest_n_free[me]
        :: else
        fi
    };
    atomic {
        if
        :: opened && caught_up[me] != generation -> caught_up[me] = generation; start_over()
        :: else
        fi
    }
}

/* ------------------------------------------------------------------ replay */

#ifdef POOL
#define LACKS_ROOM true
#else
#define LACKS_ROOM false
#endif
/* With NO_VAIN_POLLS later polls find room, or have waited for too long. */
#ifdef NO_VAIN_POLLS
#define STILL_LACKS_ROOM false
#else
#define STILL_LACKS_ROOM LACKS_ROOM
#endif

/* Sees to what waits for room, up to the first for which there is none, if it may lack. */
inline replay_waiting(may_lack)
{
    i = 0;
    do
    :: i < REQUESTS && !broken[me] && (waiting[me] & BIT(i)) != 0 && n_free[me] > 0 ->
           if
           :: TOUCH_RING;
              waiting[me] = waiting[me] & ~BIT(i);
              in_flight[me] = in_flight[me] | BIT(i);
              put[me] = put[me] | BIT(i);
              n_free[me]--; unkicked[me] = true; i++
           :: LACKS_ROOM -> /* for too long */
              assert(request[NTH(i)] == OWNED);
              request[NTH(i)] = ENDED;
              waiting[me] = waiting[me] & ~BIT(i); i++
           :: may_lack -> break
           fi
    :: i < REQUESTS && !broken[me] && (waiting[me] & BIT(i)) == 0 -> i++
    :: else -> break
    od;
    i = 0;
    kick()
}

/* start_over: the ring is new; what was in flight goes there again */
inline start_over()
{
    TOUCH_RING;
    assert(due[me] == in_flight[me]); /* each once for each reset */
    due[me] = 0;
    waiting[me] = waiting[me] | in_flight[me]; in_flight[me] = 0;
    broken[me] = false; unkicked[me] = false; put[me] = 0; n_free[me] = REQUESTS;
    replay_waiting(LACKS_ROOM)
}

/* ------------------------------------------------------------------ recovery */

/* Sets `locked`. */
inline try_lock()
{
#ifdef WITHOUT_LOCK
    locked = true
#else
    atomic { LOCKED -> locked = !busy; busy = true }
#endif
}

inline unlock()
{
    atomic { locked = false; STORE(BUSY, false) }
}

/* Sets `all`. */
inline seize_all()
{
    all = true;
    do
    :: i < OWNERS ->
#ifdef WITHOUT_SEIZE
           atomic { all = all && state[i] == RESTING; i++ }
#else
           atomic {
               LOCKED ->
                   if
                   :: state[i] == RESTING -> state[i] = SEIZED
                   :: else -> all = all && state[i] == SEIZED
                   fi;
                   i++
           }
#endif
    :: else -> break
    od;
    i = 0
}

/* The device has confirmed: of what was there before it knows nothing. */
inline device_forgets(q)
{
    live[q] = false; lied[q] = false; mute[q] = false;
    assert(!being_reset[q]); /* one leader */
    being_reset[q] = true; due[q] = in_flight[q]
}

inline hand_back()
{
    i = 0;
    do
    :: i < OWNERS -> STORE(STATE + i, RESTING); i++
    :: else -> break
    od;
    i = 0
}

inline reset_device()
{
    atomic {
        LOCKED -> /* its status is read back */
            n_resets++; needs_reset = false; i = 0;
            assert(n_resets <= n_faults);
            do
            :: i < OWNERS -> assert(state[i] != ACTIVE); device_forgets(i); i++
            :: else -> i = 0; break
            od;
        do
        :: i < OWNERS -> STORE(CLEAR + i, 0); STORE(LIVE + i, 0); i++
        :: else -> i = 0; break
        od;
#ifdef WITHOUT_ORDER
        hand_back();
        STORE(PHASE, IN_SERVICE);
        STORE(GENERATION, generation + 1)
#else
        STORE(GENERATION, generation + 1);
        STORE(PHASE, IN_SERVICE);
        hand_back()
#endif
    }
}

/* vst_virtio_blk_stop: reset, and never started again */
inline take_out_of_service()
{
    atomic {
        LOCKED -> i = 0;
        do
        :: i < OWNERS -> live[i] = false; i++
        :: else -> break
        od;
        i = 0
    };
    STORE(PHASE, OUT_OF_SERVICE)
}

inline drive()
{
    try_lock();
    if
    :: locked ->
           if
           :: PHASE_OF == RECOVERING ->
                  seize_all();
                  if
                  :: all -> reset_device()
                  :: all -> skip /* somebody reads the configuration */
#ifdef GIVE_UP
                  :: take_out_of_service() /* it does not start again; 5 seconds */
#endif
                  :: !all
                  fi
           :: else
           fi;
           unlock()
    :: else
    fi
}

inline meet_fault()
{
    try_lock();
    if
    :: locked ->
           if
           :: PHASE_OF == IN_SERVICE ->
                  if
#ifdef QUEUE_RESET
                  :: !needs_reset -> /* reset_queue; it may go wrong, and then the device is reset */
                         atomic {
                             LOCKED -> device_forgets(me);
                             STORE(CLEAR + me, 0);
                             STORE(LIVE + me, 0);
                             being_reset[me] = false; /* its owner is the leader */
                             start_over()
                         }
#endif
#ifdef GIVE_UP
                  :: take_out_of_service() /* VST_RECOVERY_NONE; or resets bore no fruit */
#endif
                  :: atomic { true -> STORE(PHASE, RECOVERING) }
                  fi
           :: else
           fi;
           unlock()
    :: else
    fi
}

/* What was in flight ends with an error. */
inline end_all()
{
    atomic {
        i = 0;
        do
        :: i < REQUESTS ->
               if
               :: ((in_flight[me] | waiting[me]) & BIT(i)) != 0 ->
                      assert(request[NTH(i)] == OWNED && !live[me]);
                      request[NTH(i)] = ENDED
               :: else
               fi;
               i++
        :: else -> break
        od;
        in_flight[me] = 0; waiting[me] = 0; unkicked[me] = false; broken[me] = true; i = 0
    }
}

inline attend()
{
    if
    :: !at_rest[me] && broken[me] && PHASE_OF == IN_SERVICE -> meet_fault()
    :: else
    fi;
    if
    :: atomic { PHASE_OF == RECOVERING ->
           if
           :: !at_rest[me] -> shut()
           :: else
           fi };
           drive()
    :: else
    fi;
    if
    :: atomic { PHASE_OF == OUT_OF_SERVICE -> end_all() }
    :: PHASE_OF == IN_SERVICE && at_rest[me] && ANY_IN_FLIGHT ->
           open_queue();
           opened = false
    :: else
    fi
}

/* vst_virtio_run_wake; sets `opened` */
inline wake()
{
    if
    :: at_rest[me] && PHASE_OF == IN_SERVICE && !ANY_IN_FLIGHT ->
           open_queue()
    :: else
    fi
}

/* ------------------------------------------------------------------ submit, kick, poll, rest */

/* One of the caller's requests; refused, he tries again after a poll. */
inline submit()
{
    if
    :: n_free[me] == 0 -> wake()
    :: else -> opened = true
    fi;
    atomic {
        if
        :: opened && n_free[me] > 0 ->
               TOUCH_RING;
               i = 0;
               do
               :: request[NTH(i)] != NEW -> i++
               :: else -> break
               od;
               request[NTH(i)] = OWNED;
               in_flight[me] = in_flight[me] | BIT(i);
               put[me] = put[me] | BIT(i);
               n_free[me]--; unkicked[me] = true; i = 0; opened = false
        :: else -> opened = false; must_poll = true
        fi
    }
}

inline kick()
{
    atomic {
        if
        :: unkicked[me] && !broken[me] -> TOUCH_RING; unkicked[me] = false; STORE(SHOWN + me, put[me])
        :: else
        fi
    }
}

/* take_used: what the device has given back ends well, up to a lie. Sets `any`. */
inline take_used()
{
    atomic {
        TOUCH_RING;
        any = (used[me] & in_flight[me]) != 0;
        i = 0;
        do
        :: i < REQUESTS ->
               if
               :: (used[me] & in_flight[me] & BIT(i)) != 0 ->
                      assert(request[NTH(i)] == OWNED && (due[me] & BIT(i)) == 0);
                      request[NTH(i)] = ENDED;
                      in_flight[me] = in_flight[me] & ~BIT(i);
                      n_free[me]++
               :: else
               fi;
               i++
        :: else -> break
        od;
        i = 0;
        broken[me] = lied[me]
    }
}

/* blk_watch: the phase; what waits; later, a request too old, a device that asks to be reset */
inline watch()
{
    if
    :: PHASE_OF != IN_SERVICE -> attend()
    :: else
    fi;
    atomic {
        if
        :: waiting[me] != 0 -> replay_waiting(STILL_LACKS_ROOM)
        :: else
        fi
    };
    if
    :: ANY_IN_FLIGHT && !broken[me] ->
           kick();
           if
           :: (mute[me] && in_flight[me] != 0) || needs_reset -> broken[me] = true; attend() /* vst_virtio_blk_fault */
           :: else
           fi
    :: else
    fi
}

/*
 * With NO_VAIN_POLLS a caller polls only when that will change something: then whoever waits for ever stands
 * still, and spin reports an invalid end state.
 */
#ifdef NO_VAIN_POLLS
#if OWNERS == 2
#define ANY_ACTIVE (state[0] == ACTIVE || state[1] == ACTIVE)
#else
#define ANY_ACTIVE (state[0] == ACTIVE || state[1] == ACTIVE || state[2] == ACTIVE)
#endif
#define FINDS                                                                                      \
    ((used[me] & in_flight[me]) != 0 || lied[me] || unkicked[me] || !ANY_IN_FLIGHT ||               \
     waiting[me] != 0 || mute[me] || needs_reset)
#define WORTH_A_POLL                                                                               \
    (PHASE_OF == OUT_OF_SERVICE ||                                                                 \
     (PHASE_OF == RECOVERING && (!at_rest[me] || (!busy && !ANY_ACTIVE))) ||                       \
     (PHASE_OF == IN_SERVICE &&                                                                    \
      (at_rest[me] -> must_poll || (ANY_IN_FLIGHT && state[me] == RESTING) :                       \
                      (broken[me] -> !busy : FINDS))))
#else
#define WORTH_A_POLL true
#endif

/* vst_virtio_run_rest */
inline rest()
{
#ifndef WITHOUT_REST_OF_BROKEN
    do
    :: !ANY_IN_FLIGHT && !at_rest[me] && broken[me] && PHASE_OF != OUT_OF_SERVICE && WORTH_A_POLL -> attend()
    :: ANY_IN_FLIGHT || at_rest[me] || !broken[me] || PHASE_OF == OUT_OF_SERVICE -> break
    od;
#endif
    if
    :: !at_rest[me] && !broken[me] && !ANY_IN_FLIGHT -> atomic { shut() }
    :: else
    fi
}

/* blk_poll and poll_nothing */
inline poll()
{
    if
    :: atomic { !broken[me] -> kick(); take_used() }
    :: else
    fi;
    if
    :: any ->
           if
           :: watch() /* now and then */
           :: true
           fi
    :: else ->
           watch();
           if
           :: broken[me] -> attend()
           :: !broken[me] && in_flight[me] == 0 -> rest()
           :: else
           fi
    fi;
    atomic { any = false; must_poll = false }
}

#define HAS_NEW (request[NTH(REQUESTS - 1)] == NEW)

/*
 * A CPU and its caller, who keeps the contract: with requests in flight he polls, without he rests, and
 * then does not come back before he has something to submit, perhaps never.
 */
proctype owner(byte me)
{
    byte i;
    bool opened, locked, all, any, must_poll;

    do
    :: HAS_NEW && !must_poll && PHASE_OF != OUT_OF_SERVICE -> submit()
    :: unkicked[me] && !broken[me] -> kick()
    :: (ANY_IN_FLIGHT || must_poll) && WORTH_A_POLL -> poll()
    :: !ANY_IN_FLIGHT && !at_rest[me] && HAS_NEW -> rest()
    :: !ANY_IN_FLIGHT && (!HAS_NEW || PHASE_OF == OUT_OF_SERVICE) -> break
    od;
    if
    :: poll()
    :: true
    fi;
    rest();
    assert((in_flight[me] | waiting[me]) == 0 && (!HAS_NEW || PHASE_OF == OUT_OF_SERVICE))
}

init
{
    byte i;

    atomic {
        do
        :: i < OWNERS ->
               at_rest[i] = true; broken[i] = true; state[i] = RESTING; rest_n_free[i] = REQUESTS;
               live[i] = true;
               run memory(i); run owner(i); i++
        :: else -> break
        od;
        run device()
    }
}
