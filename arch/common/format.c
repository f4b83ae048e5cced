/* SPDX-License-Identifier: BSD-2-Clause */
/* Text without a libc: what log lines and names of functions need, no more. */
#include <vstor/log.h>

struct sink {
    char *text;
    size_t bytes;  /* room, end mark included */
    size_t length; /* of the whole text, also of what found no room */
};

static void put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->bytes)
        sink->text[sink->length] = c;
    sink->length++;
}

static void put_padding(struct sink *sink, char c, size_t n)
{
    while (n-- > 0)
        put(sink, c);
}

struct field {
    bool zero, left;
    size_t width;
    bool has_precision;
    size_t precision;
};

static void put_field(struct sink *sink, const struct field *field, const char *text, size_t length)
{
    size_t padding = field->width > length ? field->width - length : 0;

    if (!field->left)
        put_padding(sink, ' ', padding);
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    if (field->left)
        put_padding(sink, ' ', padding);
}

static void put_number(struct sink *sink, const struct field *field, uint64_t value, bool negative,
                       unsigned base, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    size_t at = sizeof(text);

    do {
        text[--at] = digits[value % base];
        value /= base;
    } while (value != 0);
    size_t width = field->width - (negative && field->width > 0);
    while (field->zero && !field->left && sizeof(text) - at < width && at > 1)
        text[--at] = '0';
    if (negative)
        text[--at] = '-';
    put_field(sink, field, text + at, sizeof(text) - at);
}

static size_t bounded_length(const char *text, const struct field *field)
{
    size_t length = 0;

    while ((!field->has_precision || length < field->precision) && text[length] != '\0')
        length++;
    return length;
}

/* In a struct, for a va_list may be an array, which a function's parameter is not. */
struct values {
    va_list list;
};

/* Digits, or a '*' for the next value. */
static const char *parse_size(const char *p, struct values *values, size_t *size)
{
    if (*p == '*') {
        int value = va_arg(values->list, int);
        *size = value > 0 ? (size_t)value : 0;
        return p + 1;
    }
    for (; *p >= '0' && *p <= '9'; p++)
        *size = *size * 10 + (size_t)(*p - '0');
    return p;
}

static const char *parse_field(const char *p, struct values *values, struct field *field)
{
    for (; *p == '0' || *p == '-'; p++) {
        field->zero |= *p == '0';
        field->left |= *p == '-';
    }
    p = parse_size(p, values, &field->width);
    if (*p == '.') {
        field->has_precision = true;
        p = parse_size(p + 1, values, &field->precision);
    }
    return p;
}

size_t vst_vformat(char *text, size_t bytes, const char *format, va_list given)
{
    struct sink sink = {text, bytes, 0};
    struct values values;

    va_copy(values.list, given);
    for (const char *p = format; *p != '\0'; p++) {
        if (*p != '%') {
            put(&sink, *p);
            continue;
        }
        struct field field = {0};
        p = parse_field(p + 1, &values, &field);
        int n_long = 0;
        for (; *p == 'l' || *p == 'z' || *p == 'h'; p++)
            n_long += *p != 'h';
        uint64_t value;
        switch (*p) {
        case 's': {
            const char *s = va_arg(values.list, const char *);
            put_field(&sink, &field, s, bounded_length(s, &field));
            break;
        }
        case 'c': {
            char c = (char)va_arg(values.list, int);
            put_field(&sink, &field, &c, 1);
            break;
        }
        case 'd': {
            int64_t n = n_long ? va_arg(values.list, int64_t) : va_arg(values.list, int);
            put_number(&sink, &field, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, n < 0, 10, false);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
            value = n_long ? va_arg(values.list, uint64_t) : va_arg(values.list, unsigned);
            put_number(&sink, &field, value, false, *p == 'u' ? 10 : 16, *p == 'X');
            break;
        case 'p':
            put_number(&sink, &field, (uintptr_t)va_arg(values.list, void *), false, 16, false);
            break;
        case '\0':
            p--; /* a lone % at the end */
            break;
        default:
            put(&sink, *p);
        }
    }
    va_end(values.list);
    if (bytes > 0)
        text[sink.length < bytes ? sink.length : bytes - 1] = '\0';
    return sink.length;
}

size_t vst_format(char *text, size_t bytes, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    size_t length = vst_vformat(text, bytes, format, values);
    va_end(values);
    return length;
}

void vst_log(const struct vst_platform *platform, enum vst_log_level level, const char *format, ...)
{
    char line[VST_LOG_LINE_BYTES];
    va_list values;

    va_start(values, format);
    vst_vformat(line, sizeof(line), format, values);
    va_end(values);
    platform->log(platform->ctx, level, line);
}
