/* SPDX-License-Identifier: MIT */
#include "server/base/peer.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

static void addresses_are_read_with_and_without_a_port(void **state)
{
    static const struct {
        const char *text, *name; /* NULL: refused */
    } all[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "192.0.2.1:80", "192.0.2.1" },
        { "192.0.2.1:65535", "192.0.2.1" },
        { "2001:db8::1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" },
        { "[2001:db8::1]:443", "2001:db8::1" },
        { "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
        { "", NULL },
        { "192.0.2", NULL },
        { "192.0.2.1:", NULL },
        { "192.0.2.1:x", NULL },
        { "192.0.2.1:65536", NULL },
        { "192.0.2.01.1", NULL },
        { "[192.0.2.1]", NULL },
        { "[::1", NULL },
        { "[]", NULL },
        { "[::1]x", NULL },
        { "[::1]:", NULL },
        { "::1]", NULL },
        { ":80", NULL },
        { "localhost", NULL },
        { "1111:2222:3333:4444:5555:6666:7777:8888:9999", NULL },
        { "1111:2222:3333:4444:5555:6666:255.255.255.255.1111.2222.3333", NULL },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        char name[INET6_ADDRSTRLEN];
        struct peer p;
        bool good = peer_parse(span_of(all[i].text), &p);

        check_true(good == (all[i].name != NULL), "'%s'", all[i].text);
        if (good)
            check_str(peer_name(name, &p), all[i].name);
    }
}

static void what_is_no_network_is_named(void **state)
{
    static const struct {
        const char *text, *bad;
        int rc;
    } all[] = {
        { "", NULL, 0 },
        { " , ", NULL, 0 },
        { "10.0.0.0/8,::1 192.0.2.0/24", NULL, 0 },
        { "10.0.0.1/8", "10.0.0.1/8", -EINVAL }, /* bits behind the prefix */
        { "10.0.0.0/33", "10.0.0.0/33", -EINVAL },
        { "::1, x", "x", -EINVAL },
        { "10.0.0.0/", "10.0.0.0/", -EINVAL },
        { "2001:db8::/129", "2001:db8::/129", -EINVAL },
        { "[::1]", "[::1]", -EINVAL },
        { "10.0.0.1:80", "10.0.0.1:80", -EINVAL },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        struct peer_list list;
        struct span bad = SPAN("");

        check_int(peer_list_parse(all[i].text, &list, &bad), all[i].rc, "'%s'",
                  all[i].text);
        if (all[i].bad != NULL)
            check_true(span_eq(bad, span_of(all[i].bad)), "'%s'", all[i].text);
    }
}

static void a_list_may_have_so_many_and_not_more(void **state)
{
    char text[4096] = "";
    struct peer_list list;
    struct span bad;

    (void)state;
    for (int i = 0; i < PEER_LIST_MAX; i++)
        strcat(text, "10.1.2.3 ");
    check_int(peer_list_parse(text, &list, &bad), 0);
    strcat(text, "10.1.2.3");
    check_int(peer_list_parse(text, &list, &bad), -E2BIG);
}

static void networks_have_their_addresses_whatever_socket_saw_them(void **state)
{
    static const struct {
        const char *list, *address;
        bool has;
    } all[] = {
        { "", "10.0.0.1", false },
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.0.0.0/8", "::ffff:10.1.1.1", true },
        { "10.0.0.0/8", "a01:0101::", false },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.128/25", "192.0.2.128", true },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "203.0.113.9", true },
        { "::/0", "2001:db8::1", true },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "::1, 10.0.0.0/9", "10.127.255.255", true },
        { "::1, 10.0.0.0/9", "10.128.0.0", false },
    };

    (void)state;
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        struct peer_list list;
        struct span bad;
        struct peer p;

        check_int(peer_list_parse(all[i].list, &list, &bad), 0);
        check_true(peer_parse(span_of(all[i].address), &p));
        check_true(peer_list_has(&list, &p) == all[i].has, "'%s' in '%s'",
                   all[i].address, all[i].list);
    }
}

static void other_families_have_no_address(void **state)
{
    const struct peer p = { .at.any.sa_family = AF_UNIX };
    char name[INET6_ADDRSTRLEN];
    struct peer_list list;
    struct span bad;

    (void)state;
    check_int(peer_list_parse("::/0", &list, &bad), 0);
    check_true(!peer_list_has(&list, &p));
    check_str(peer_name(name, &p), "-");
}

TEST_MAIN(test(addresses_are_read_with_and_without_a_port),
          test(what_is_no_network_is_named), test(a_list_may_have_so_many_and_not_more),
          test(networks_have_their_addresses_whatever_socket_saw_them),
          test(other_families_have_no_address))
