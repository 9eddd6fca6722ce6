/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz_proxy.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/check.h"
#include "server/http/forwarded.h"
#include "server/http/proxy.h"

/* In memory that ends with the bytes, for the sanitizer. */
static enum proxy_result parse(const uint8_t *bytes, size_t n, struct proxy_header *ret)
{
    char *copy = malloc(n + (n == 0));
    enum proxy_result result;

    CHECK(copy != NULL);
    if (n > 0)
        memcpy(copy, bytes, n);
    result = proxy_parse(copy, n, ret);
    free(copy);
    return result;
}

static void check_header(const struct proxy_header *h, size_t n)
{
    char name[INET6_ADDRSTRLEN];

    CHECK(h->size > 0 && h->size <= n && h->size <= PROXY_MAX);
    if (h->known)
        CHECK(strcmp(peer_name(name, &h->client), "-") != 0);
}

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->size == b->size && a->known == b->known &&
           (!a->known || memcmp(&a->client, &b->client, sizeof a->client) == 0);
}

/* A prefix is unfinished, or as bad as the whole; what comes behind a header changes
 * nothing. */
static void check_prefixes(const uint8_t *bytes, size_t n)
{
    struct proxy_header whole, part;
    enum proxy_result all = parse(bytes, n, &whole), result;

    if (all == PROXY_DONE)
        check_header(&whole, n);
    if (all == PROXY_MORE)
        CHECK(n < PROXY_MAX);
    for (size_t cut = 0; cut < n; cut += cut < 130 ? 1 : 97) {
        result = parse(bytes, cut, &part);
        if (all == PROXY_MORE)
            CHECK(result == PROXY_MORE);
        else if (all == PROXY_DONE && cut < whole.size)
            CHECK(result == PROXY_MORE);
        else if (all == PROXY_DONE)
            CHECK(result == PROXY_DONE && same(&part, &whole));
        else
            CHECK(result != PROXY_DONE);
    }
}

/* The first byte says where the list is parted into the two fields. */
static void check_forwarded(const uint8_t *bytes, size_t n)
{
    struct peer_list trusted;
    struct span bad, list, other;
    struct peer p;
    uint8_t address[16];

    if (n == 0)
        return;
    CHECK(peer_list_parse("10.0.0.0/8 ::/1", &trusted, &bad) == 0);
    CHECK(peer_parse(SPAN("10.0.0.1"), &p));
    list = span_make((const char *)bytes + 1, n - 1);
    other = span_take(list, bytes[0]);
    forwarded_client(span_skip(list, bytes[0]), other, &trusted, &p);
    CHECK(peer_bytes(&p, address));
    forwarded_is_id(list);
}

int fuzz_proxy(const uint8_t *bytes, size_t n)
{
    check_prefixes(bytes, n);
    check_forwarded(bytes, n);
    return 0;
}
