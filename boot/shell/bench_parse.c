/* SPDX-License-Identifier: BSD-2-Clause */
/* From fio's words to a job. */
#include "bench.h"

#include <inttypes.h>
#include <string.h>

#include "size.h"

#define NS_PER_S            1000000000u
#define NS_PER_US           1000ull
#define MAX_PAUSE_S         3600u
#define MAX_PAUSE_US        (MAX_PAUSE_S * 1000000ull)
#define DEFAULT_BLOCK_BYTES 4096u
#define DEFAULT_DEPTH       32u
#define DEFAULT_RUNTIME_S   2u
#define MAX_RUNTIME_S       86400u
#define MAX_BLOCK_BYTES     (64u << 20)
#define NUMBER_BYTES        32u

/* The name by which fio knows it, too, or ours; with the '='. The value as shell_option() has it. */
static const char *either(const struct shell_context *context, const char *name, const char *other,
                          const char **found)
{
    const char *text = shell_option(context, name);

    *found = text != NULL ? name : other;
    return text != NULL ? text : shell_option(context, other);
}

static bool either_number(const struct shell_context *context, const char *name, const char *other,
                          uint64_t otherwise, uint64_t *value)
{
    const char *found;

    either(context, name, other, &found);
    return shell_option_number(context, found, otherwise, value);
}

/* ---------------------------------------------------------------- what is read and written */

static bool parse_mix(const struct shell_context *context, struct job *job)
{
    bool writes = shell_option(context, "rwmixwrite=") != NULL;
    const char *name = writes ? "rwmixwrite=" : "rwmixread=";

    if (!shell_option_number(context, name, 50, &job->read_percent))
        return false;
    if (!job->mixed && shell_option(context, name) != NULL)
        return shell_fail_usage(context, "%s goes with rw=randrw and rw=rw", name);
    if (job->read_percent > 100)
        return shell_fail_usage(context, "%s%" PRIu64 " is more than 100 per cent", name,
                                job->read_percent);
    if (writes)
        job->read_percent = 100 - job->read_percent;
    return true;
}

static bool parse_rw(const struct shell_context *context, struct job *job)
{
    static const struct {
        const char *name;
        bool write, random, mixed, trim;
    } modes[] = {
        {"randread", false, true, false, false}, {"randwrite", true, true, false, false},
        {"read", false, false, false, false},    {"write", true, false, false, false},
        {"randrw", true, true, true, false},     {"rw", true, false, true, false},
        {"readwrite", true, false, true, false}, {"trim", false, false, false, true},
        {"randtrim", false, true, false, true},
    };
    const char *name, *rw = either(context, "rw=", "readwrite=", &name);

    for (size_t i = 0; i < VST_ARRAY_LENGTH(modes); i++) {
        if (strcmp(rw != NULL ? rw : modes[0].name, modes[i].name) != 0)
            continue;
        job->rw = modes[i].name;
        job->write = modes[i].write;
        job->random = modes[i].random;
        job->mixed = modes[i].mixed;
        job->trim = modes[i].trim;
        if (job->trim && context->device->limits.discard.max_sectors == 0)
            return shell_fail(context, VST_ERR_UNSUPPORTED, "the device knows no discard");
        return parse_mix(context, job);
    }
    return shell_fail_usage(
        context,
        "%s%s is none of read, write, randread, randwrite, randrw, rw, readwrite, trim, randtrim",
        name, rw);
}

/* ---------------------------------------------------------------- how much at once */

static bool check_block(const struct shell_context *context, const char *name, uint64_t bytes)
{
    uint32_t logical = context->device->limits.logical_block_bytes;

    if (bytes == 0 || bytes % logical != 0)
        return shell_fail_usage(context,
                                "%s%" PRIu64 " is not a multiple of the logical block of %u bytes",
                                name, bytes, (unsigned)logical);
    return bytes <= MAX_BLOCK_BYTES ||
           shell_fail_usage(context, "%s%" PRIu64 " is more than 64M", name, bytes);
}

/* bsrange=4k-64k: the larger is a multiple of the smaller, as places are. */
static bool parse_block_range(const struct shell_context *context, const char *text,
                              struct job *job)
{
    const char *dash = strchr(text, '-');
    char low[NUMBER_BYTES] = "";

    if (dash != NULL && (size_t)(dash - text) < sizeof(low))
        memcpy(low, text, (size_t)(dash - text));
    if (dash == NULL || !size_parse(low, &job->block_bytes) ||
        !size_parse(dash + 1, &job->max_block_bytes))
        return shell_fail_usage(context, "bsrange=%s is not like 4k-64k", text);
    if (!check_block(context, "bsrange=", job->block_bytes) ||
        !check_block(context, "bsrange=", job->max_block_bytes))
        return false;
    return (job->max_block_bytes >= job->block_bytes &&
            job->max_block_bytes % job->block_bytes == 0) ||
           shell_fail_usage(context, "bsrange=%s ends at no multiple of where it begins", text);
}

static bool parse_block(const struct shell_context *context, struct job *job)
{
    const char *name, *range = shell_option(context, "bsrange=");

    if (range != NULL)
        return parse_block_range(context, range, job);
    if (!either_number(context, "bs=", "blocksize=", DEFAULT_BLOCK_BYTES, &job->block_bytes))
        return false;
    either(context, "bs=", "blocksize=", &name);
    job->max_block_bytes = job->block_bytes;
    return check_block(context,
                       shell_option(context, name) != NULL ? name : "bs=", job->block_bytes);
}

static bool parse_shape(const struct shell_context *context, struct job *job)
{
    const struct vst_block_limits *limits = &context->device->limits;

    if (!parse_block(context, job) ||
        !shell_option_number(context, "iodepth=", DEFAULT_DEPTH, &job->depth) ||
        !either_number(context, "seed=", "randseed=", 1, &job->seed))
        return false;
    return (job->depth >= 1 && job->depth <= limits->depth) ||
           shell_fail_usage(context,
                            "iodepth=%" PRIu64 " is not between 1 and the %u that %s takes",
                            job->depth, limits->depth, context->device->name);
}

static bool parse_jobs(const struct shell_context *context, struct job *job)
{
    const struct shell_host *host = context->host;
    unsigned n_cpus = host->n_cpus > 0 ? host->n_cpus : 1;

    if (!shell_option_number(context, "numjobs=", 1, &job->n_jobs))
        return false;
    if (job->n_jobs == 0)
        return shell_fail_usage(context, "numjobs=0 leaves nothing to do");
    if (job->n_jobs > context->device->n_queues)
        return shell_fail_usage(context,
                                "numjobs=%" PRIu64
                                ", but %s has %u queue%s, and each job needs its "
                                "own (vstor.queues=)",
                                job->n_jobs, context->device->name, context->device->n_queues,
                                context->device->n_queues == 1 ? "" : "s");
    if (job->n_jobs > n_cpus)
        return shell_fail_usage(
            context, "numjobs=%" PRIu64 ", but there are %u CPUs, and each job needs its own",
            job->n_jobs, n_cpus);
    return true;
}

/* ---------------------------------------------------------------- how long */

/* "10" and "10s", "500ms", "2m", "1h": as fio has times. */
static bool parse_duration(const char *text, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", NS_PER_S},          {"s", NS_PER_S},
                 {"ms", NS_PER_S / 1000}, {"us", NS_PER_S / 1000000},
                 {"m", 60ull * NS_PER_S}, {"h", 3600ull * NS_PER_S}};
    size_t n_digits = strspn(text, "0123456789");
    char digits[NUMBER_BYTES] = "";
    uint64_t number;

    if (n_digits >= sizeof(digits))
        return false;
    memcpy(digits, text, n_digits);
    if (!size_parse(digits, &number))
        return false;
    for (size_t i = 0; i < VST_ARRAY_LENGTH(units); i++)
        if (strcmp(text + n_digits, units[i].name) == 0)
            return !__builtin_mul_overflow(number, units[i].ns, ns);
    return false;
}

static bool duration_option(const struct shell_context *context, const char *name,
                            uint64_t otherwise_ns, uint64_t *ns)
{
    const char *text = shell_option(context, name);

    *ns = otherwise_ns;
    if (text == NULL)
        return true;
    if (!parse_duration(text, ns))
        return shell_fail_usage(context, "%s%s is not a number of seconds, or with ms, s, m, h",
                                name, text);
    return (*ns > 0 && *ns <= (uint64_t)MAX_RUNTIME_S * NS_PER_S) ||
           shell_fail_usage(context, "%s is 1 to %u seconds, or part of one", name, MAX_RUNTIME_S);
}

/* A pause: as fio has it, without a unit in microseconds. */
static bool parse_pause(const struct shell_context *context, uint64_t *ns)
{
    const char *text = shell_option(context, "thinktime=");
    uint64_t us;

    *ns = 0;
    if (text == NULL)
        return true;
    if (text[strspn(text, "0123456789")] != '\0' ? !parse_duration(text, ns)
                                                 : !size_parse(text, &us) || us > MAX_PAUSE_US)
        return shell_fail_usage(context, "thinktime=%s is no number of microseconds, or with ms, s",
                                text);
    if (*ns == 0)
        *ns = us * NS_PER_US;
    return *ns <= MAX_PAUSE_US * NS_PER_US ||
           shell_fail_usage(context, "thinktime= is at most %u seconds", MAX_PAUSE_S);
}

static bool parse_pace(const struct shell_context *context, struct job *job)
{
    if (!shell_option_number(context, "rate_iops=", 0, &job->rate_iops) ||
        !parse_pause(context, &job->think_ns))
        return false;
    if (job->rate_iops > NS_PER_S)
        return shell_fail_usage(context, "rate_iops= is at most %u", NS_PER_S);
    return !job->verify || (job->rate_iops == 0 && job->think_ns == 0) ||
           shell_fail_usage(context, "rate_iops= and thinktime= are without verify=1");
}

static bool parse_length(const struct shell_context *context, struct job *job)
{
    bool counted = shell_option(context, "number_ios=") != NULL;
    uint64_t seconds = counted ? MAX_RUNTIME_S : DEFAULT_RUNTIME_S;

    if (!shell_option_number(context, "number_ios=", UINT64_MAX, &job->n_ios) ||
        !duration_option(context, "runtime=", seconds * NS_PER_S, &job->runtime_ns) ||
        !duration_option(context, "ramp_time=", 0, &job->ramp_ns))
        return false;
    return job->n_ios > 0 || shell_fail_usage(context, "number_ios=0 leaves nothing to do");
}

/* ---------------------------------------------------------------- where */

/* Bytes, or "25%" of the device, down to a whole logical block. */
static bool place_option(const struct shell_context *context, const char *name, uint64_t otherwise,
                         uint64_t *bytes)
{
    const char *text = shell_option(context, name);
    uint32_t block = context->device->limits.logical_block_bytes;
    size_t length = text != NULL ? strlen(text) : 0;
    char number[NUMBER_BYTES] = "";
    uint64_t percent;

    if (length == 0 || text[length - 1] != '%')
        return shell_option_number(context, name, otherwise, bytes);
    if (length < sizeof(number))
        memcpy(number, text, length - 1);
    if (!size_parse(number, &percent) || percent > 100)
        return shell_fail_usage(context, "%s%s is not 0%% to 100%%", name, text);
    *bytes = scale_u64(shell_extent_bytes(context), percent, 100) / block * block;
    return true;
}

static bool parse_area(const struct shell_context *context, struct job *job)
{
    uint64_t end = shell_extent_bytes(context);
    uint32_t block = context->device->limits.logical_block_bytes;

    if (!place_option(context, "offset=", 0, &job->offset) ||
        !place_option(context, "size=", job->offset < end ? end - job->offset : 0, &job->bytes) ||
        !shell_range_is_inside(context, job->offset, job->bytes))
        return false;
    if (job->offset % block != 0)
        return shell_fail_usage(
            context, "offset=%" PRIu64 " is not a multiple of the logical block of %u bytes",
            job->offset, (unsigned)block);
    if (context->extent.offset_bytes % block != 0)
        return shell_fail_usage(context, "%s does not begin at a multiple of %u", context->name,
                                (unsigned)block);
    if (job->bytes < job->max_block_bytes)
        return shell_fail_usage(context,
                                "an area of %" PRIu64 " bytes holds no block of %" PRIu64 " bytes",
                                job->bytes, job->max_block_bytes);
    return true;
}

/* ---------------------------------------------------------------- what makes it durable */

static bool parse_flag(const struct shell_context *context, const char *name, bool *flag)
{
    uint64_t value;

    if (!shell_option_number(context, name, 0, &value))
        return false;
    if (value > 1)
        return shell_fail_usage(context, "%s is 0 or 1", name);
    *flag = value == 1;
    return true;
}

static bool parse_durability(const struct shell_context *context, struct job *job)
{
    if (!parse_flag(context, "verify=", &job->verify) ||
        !parse_flag(context, "sync=", &job->sync) ||
        !either_number(context, "fsync=", "fdatasync=", 0, &job->fsync) ||
        !shell_option_number(context, "segments=", 1, &job->n_segments))
        return false;
    if ((job->sync || job->fsync > 0) && !job->write)
        return shell_fail_usage(context, "fsync= and sync=1 go with an rw= that writes");
    return job->verify || job->n_segments == 1 ||
           shell_fail_usage(context, "segments= goes with verify=1");
}

/* What is measured through a cache is plainer. */
static bool check_cache(const struct shell_context *context, struct job *job)
{
    if (!bench_cache_parse(context, job))
        return false;
    if ((job->cache_bytes == 0 && !job->cache_none) || job->verify)
        return true;
    return (job->fsync == 0 && !job->sync && job->max_block_bytes == job->block_bytes &&
            job->ramp_ns == 0 && (job->random || !job->mixed) && !job->trim &&
            job->rate_iops == 0 && job->think_ns == 0) ||
           shell_fail_usage(context, "cache= is without bsrange=, ramp_time=, fsync=, sync=1, "
                                     "rate_iops=, thinktime=, rw=rw and trim");
}

bool bench_parse(const struct shell_context *context, struct job *job)
{
    return parse_rw(context, job) && parse_shape(context, job) && parse_jobs(context, job) &&
           parse_length(context, job) && parse_area(context, job) &&
           parse_durability(context, job) && parse_pace(context, job) &&
           (!job->verify || bench_verify_check(context, job)) && check_cache(context, job);
}
