/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fields of memory that driver and device share: the type says who writes.
 *
 *   drv_le16/32/64  the driver writes: put; publish where the device may look at once. There is no
 * way to read one back: what we need to know again, we keep in memory of our own. dev_u8/le16/le32/le64
 * the device writes: get; observe where what it announces is read next. Each read is one load, and
 * its result is to be kept in a local and checked: the device may change it at any time.
 */
#ifndef VSTOR_DRIVERS_SHARED_MEMORY_H
#define VSTOR_DRIVERS_SHARED_MEMORY_H

#include <arch/barrier.h>
#include <vstor/types.h>

typedef struct {
    vst_le16 shared;
} drv_le16;
typedef struct {
    vst_le32 shared;
} drv_le32;
typedef struct {
    vst_le64 shared;
} drv_le64;
typedef struct {
    uint8_t shared;
} dev_u8;
typedef struct {
    vst_le16 shared;
} dev_le16;
typedef struct {
    vst_le32 shared;
} dev_le32;
typedef struct {
    vst_le64 shared;
} dev_le64;

static inline void drv_le16_put(drv_le16 *field, uint16_t value)
{
    __atomic_store_n(&field->shared.raw, VST_LE16_(value), __ATOMIC_RELAXED);
}
static inline void drv_le32_put(drv_le32 *field, uint32_t value)
{
    __atomic_store_n(&field->shared.raw, VST_LE32_(value), __ATOMIC_RELAXED);
}
static inline void drv_le64_put(drv_le64 *field, uint64_t value)
{
    __atomic_store_n(&field->shared.raw, VST_LE64_(value), __ATOMIC_RELAXED);
}

/** The device sees all earlier stores before it sees this one. */
static inline void drv_le16_publish(drv_le16 *field, uint16_t value)
{
    arch_publish_barrier();
    drv_le16_put(field, value);
}

/**
 * The same for eight bytes that become visible at once, or with the four at the higher address last:
 * flags that hand a structure over stand there. An aligned store of eight bytes is one access on
 * every 64-bit processor (x86: SDM volume 3, 9.1.1; ARMv8: B2.2.1); others store two halves.
 */
static inline void drv_le64_publish_halves(drv_le64 *field, uint64_t value)
{
    drv_le32 *halves = (drv_le32 *)(void *)field;

    drv_le32_put(&halves[0], (uint32_t)value);
    arch_publish_barrier();
    drv_le32_put(&halves[1], (uint32_t)(value >> 32));
}
static inline void drv_le64_publish(drv_le64 *field, uint64_t value)
{
    arch_publish_barrier();
    if (sizeof(void *) >= sizeof(value))
        drv_le64_put(field, value);
    else
        drv_le64_publish_halves(field, value);
}

static inline uint8_t dev_u8_get(const dev_u8 *field)
{
    return __atomic_load_n(&field->shared, __ATOMIC_RELAXED);
}
static inline uint16_t dev_le16_get(const dev_le16 *field)
{
    return VST_LE16_(__atomic_load_n(&field->shared.raw, __ATOMIC_RELAXED));
}
static inline uint32_t dev_le32_get(const dev_le32 *field)
{
    return VST_LE32_(__atomic_load_n(&field->shared.raw, __ATOMIC_RELAXED));
}
static inline uint64_t dev_le64_get(const dev_le64 *field)
{
    return VST_LE64_(__atomic_load_n(&field->shared.raw, __ATOMIC_RELAXED));
}

/** What the device wrote before it wrote this field is seen by the loads that follow. */
static inline uint16_t dev_le16_observe(const dev_le16 *field)
{
    uint16_t value = dev_le16_get(field);
    arch_observe_barrier();
    return value;
}

static inline uint32_t dev_le32_observe(const dev_le32 *field)
{
    uint32_t value = dev_le32_get(field);
    arch_observe_barrier();
    return value;
}

/** What the device will write, preset by us to what it must not stay. */
static inline void dev_u8_poison(dev_u8 *field, uint8_t value)
{
    __atomic_store_n(&field->shared, value, __ATOMIC_RELAXED);
}
static inline void dev_le64_poison(dev_le64 *field, uint64_t value)
{
    __atomic_store_n(&field->shared.raw, VST_LE64_(value), __ATOMIC_RELAXED);
}

#endif
