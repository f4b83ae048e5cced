/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often the cache finds what is asked for, beside LRU and beside the optimum that knows the future
 * (Belady), all with the same number of lines, on traces with scans in them. Prints the rates.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_power_disk.h"

#define N_NUMBERS   8192u /* lines of the disk */
#define N_REQUESTS  60000u
#define CACHE_BYTES (2u << 20)

static uint32_t trace[N_REQUESTS];
static uint64_t chance;

static uint32_t below(uint32_t n)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((chance >> 32) * n >> 32);
}

/* Small numbers far more often than large ones: each halving of the range is as likely. */
static uint32_t skewed(uint32_t n)
{
    uint32_t range = n;

    while (range > 8 && below(10) < 8)
        range /= 2;
    return below(range);
}

/* ------------------------------------------------------------------ traces */

/* A working set a little larger than the cache. */
static void make_skewed(void)
{
    for (uint32_t i = 0; i < N_REQUESTS; i++)
        trace[i] = skewed(2048);
}

/* The same, and a tenth of the time somebody reads a long file from one end to the other. */
static void make_skewed_with_scans(void)
{
    uint32_t scan = 0, left = 0;

    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        if (left == 0 && below(4000) == 0)
            left = 2000;
        if (left > 0 && below(2) == 0) {
            trace[i] = 2048 + scan++ % (N_NUMBERS - 2048);
            left--;
        } else {
            trace[i] = skewed(2048);
        }
    }
}

/* Directory and table blocks over and over between the blocks of files, each of which is read once. */
static void make_files(void)
{
    uint32_t file = 0;

    for (uint32_t i = 0; i < N_REQUESTS; i++)
        trace[i] = i % 4 == 0 ? below(400) : 400 + file++ % (N_NUMBERS - 400);
}

/* Round and round over more than the cache holds, where LRU never finds anything. */
static void make_loop(void)
{
    for (uint32_t i = 0; i < N_REQUESTS; i++)
        trace[i] = i % 700;
}

/* ------------------------------------------------------------------ the three */

static unsigned hits_of_lru(uint32_t n_lines)
{
    static uint32_t used[N_NUMBERS], held[N_NUMBERS];
    uint32_t n = 0;
    unsigned hits = 0;

    memset(used, 0, sizeof(used)); /* when, plus one; 0: not held */
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        uint32_t number = trace[i], worst = 0;
        if (used[number] != 0) {
            hits++;
        } else if (n < n_lines) {
            held[n++] = number;
        } else {
            for (uint32_t k = 1; k < n; k++)
                if (used[held[k]] < used[held[worst]])
                    worst = k;
            used[held[worst]] = 0;
            held[worst] = number;
        }
        used[number] = i + 1;
    }
    return hits;
}

static unsigned hits_of_optimum(uint32_t n_lines)
{
    static uint32_t next[N_REQUESTS], seen[N_NUMBERS], held[N_NUMBERS], due[N_NUMBERS];
    uint32_t n = 0;
    unsigned hits = 0;

    memset(seen, 0xff, sizeof(seen));
    for (uint32_t i = N_REQUESTS; i-- > 0;) {
        next[i] = seen[trace[i]];
        seen[trace[i]] = i;
    }
    memset(due, 0, sizeof(due)); /* when it is asked for again; 0: not held */
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        uint32_t number = trace[i], worst = 0;
        if (due[number] != 0) {
            hits++;
        } else if (n < n_lines) {
            held[n++] = number;
        } else {
            for (uint32_t k = 1; k < n; k++)
                if (due[held[k]] > due[held[worst]])
                    worst = k;
            due[held[worst]] = 0;
            held[worst] = number;
        }
        due[number] = next[i];
    }
    return hits;
}

static unsigned hits_of_cache(uint32_t *n_lines)
{
    static struct fake_power_disk disk;
    static uint8_t data[4096];
    struct vst_cache_config config = {
        .queue = &disk.queue, .memory_bytes = CACHE_BYTES, .no_ahead = true};
    struct vst_cache *cache;

    fake_power_init(&disk, N_NUMBERS * 8, 512, 1);
    config.memory = malloc(CACHE_BYTES);
    assert_int_equal(vst_cache_open(&cache, &config), VST_OK);
    for (uint32_t i = 0; i < N_REQUESTS; i++)
        assert_int_equal(vst_cache_read(cache, trace[i] * 4096ull, data, 4096, NULL), VST_OK);
    unsigned hits = (unsigned)vst_cache_stats(cache)->hits;
    *n_lines = vst_cache_look(cache).n_lines;
    assert_int_equal(hits + vst_cache_stats(cache)->misses, N_REQUESTS);
    assert_int_equal(vst_cache_close(cache), VST_OK);
    free(config.memory);
    fake_power_destroy(&disk);
    return hits;
}

static double percent(unsigned hits)
{
    return 100.0 * hits / N_REQUESTS;
}

static void test_hit_rates(void **state)
{
    /* least_of_optimum: share of the optimum's hits; over_lru: more hits than LRU, in per cent of
     * all requests */
    static const struct {
        const char *name;
        void (*make)(void);
        double least_of_optimum, over_lru;
    } traces[] = {
        {"skewed", make_skewed, 0.78, 1},
        {"skewed, with scans", make_skewed_with_scans, 0.75, 4},
        {"files and tables", make_files, 0.75, 8},
        {"loop", make_loop, 0.7, 40},
    };

    (void)state;
    print_message("%-20s %8s %8s %8s\n", "hits, per cent", "cache", "LRU", "optimum");
    for (size_t i = 0; i < VST_ARRAY_LENGTH(traces); i++) {
        uint32_t n_lines;
        chance = 1;
        traces[i].make();
        double cache = percent(hits_of_cache(&n_lines));
        double lru = percent(hits_of_lru(n_lines)), optimum = percent(hits_of_optimum(n_lines));
        print_message("%-20s %8.1f %8.1f %8.1f\n", traces[i].name, cache, lru, optimum);
        assert_true(cache <= optimum);
        if (cache < traces[i].least_of_optimum * optimum || cache < lru + traces[i].over_lru)
            fail_msg("%s: too few hits", traces[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hit_rates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
