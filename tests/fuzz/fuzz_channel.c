/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/check.h"
#include "server/base/fd.h"
#include "server/cache/cache.h"
#include "server/master/publish.h"
#include "server/master/purge_log.h"
#include "server/shared/channel.h"
#include "server/shared/region.h"

enum { BODY_MAX = 64 << 10, SLOT = 3, GENERATION = 7, RING_BYTES = 64 << 10 };
enum { AS_IT_IS = 1, WITH_FD = 2 }; /* of a message: else its header is put right */

/* Made by the first input, for all. */
static struct world {
    struct cache *cache;
    struct region *region;
    struct purge_log purges;
    struct event_source events;
    struct publish publish;
} * world;

static void make_world(void)
{
    static struct world w;
    const struct cache_config config = {
        .index = CACHE_HAMT, .recency = CACHE_SIDE, .bytes = 1 << 20, .seats = 2
    };
    const char *why;

    w.region = region_new();
    w.cache = cache_new(&config, &why);
    CHECK(w.region != NULL && w.cache != NULL);
    w.events = (struct event_source){ &w.region->master.events, 1, 0, 0 };
    w.publish = (struct publish){ .cache = w.cache,
                                  .region = w.region,
                                  .events = &w.events,
                                  .purges = &w.purges,
                                  .body_max = BODY_MAX };
    CHECK(publish_open(&w.publish) == 0);
    world = &w;
}

/* --- messages ------------------------------------------------------------------------
 */

static void send_packet(int fd, const void *bytes, size_t n, int passed)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct iovec iov = { (void *)(uintptr_t)bytes, n };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (passed >= 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof passed),
                               .cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(c), &passed, sizeof passed);
    }
    (void)!sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void check_heard(const struct channel *ch, int rc, const struct message *m,
                        int fd)
{
    CHECK(rc == 1 || rc == 0 || rc == -EBADMSG || rc == -EPIPE);
    if (rc != 1) {
        CHECK(fd == -1);
        return;
    }
    CHECK(m->kind > MESSAGE_NONE && m->kind < MESSAGE_KINDS);
    CHECK(m->slot == SLOT && m->generation == GENERATION);
    CHECK(m->text_len <= MESSAGE_TEXT_MAX && m->sequence == ch->received);
    CHECK(message_name((enum message_kind)m->kind) != NULL);
}

static void play_messages(const uint8_t *data, size_t size)
{
    static struct message packet, heard;
    const size_t fixed = offsetof(struct message, text);
    struct channel ch;
    int fd[2];

    CHECK(channel_pair(fd) == 0);
    channel_init(&ch, fd[0], SLOT, GENERATION);
    while (size >= 3) {
        size_t n = (size_t)(data[1] | data[2] << 8) % (sizeof packet + 1);
        uint8_t how = data[0];
        int passed = -1, rc;

        data += 3;
        size -= 3;
        n = n < size ? n : size;
        memset(&packet, 0, fixed);
        memcpy(&packet, data, n);
        if ((how & AS_IT_IS) == 0) {
            n = n < fixed ? fixed : n;
            packet.kind = 1 + packet.kind % (MESSAGE_KINDS - 1);
            packet.slot = SLOT;
            packet.generation = GENERATION;
            packet.text_len = (uint32_t)(n - fixed);
            packet.sequence = ch.received + 1;
        }
        send_packet(fd[1], &packet, n, (how & WITH_FD) != 0 ? fd[1] : -1);
        rc = channel_receive(&ch, &heard, &passed);
        check_heard(&ch, rc, &heard, passed);
        CHECK((how & AS_IT_IS) != 0 || rc == 1);
        fd_close(&passed);
        data += n < size ? n : size;
        size -= n < size ? n : size;
    }
    close(fd[0]);
    close(fd[1]);
}

/* --- records -------------------------------------------------------------------------
 */

/* Eight bytes are where the writer says that it is; the rest lies in the ring. */
static void play_ring(const uint8_t *data, size_t size)
{
    static _Alignas(64) unsigned char bytes[RING_BYTES];
    static struct ring_head head;
    struct ring ring;
    uint64_t tail = 0;
    int rc;

    memset(bytes, 0, sizeof bytes);
    ring_open_reader(&ring, &head, bytes, sizeof bytes);
    memcpy(&tail, data, size < 8 ? size : 8);
    data += size < 8 ? size : 8;
    size -= size < 8 ? size : 8;
    memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    atomic_store(&head.tail, tail);
    for (int turn = 0; turn < 64; turn++) {
        rc = publish_take(&world->publish, &ring, 16);
        CHECK(rc == 1 || rc == 0 || rc == -EBADMSG);
        if (rc != 1)
            break;
    }
    CHECK(rc != 1); /* a ring of this size holds fewer */
}

static void play_memfd(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    bool sealed = size == 0 || data[0] != 0;

    CHECK(fd >= 0 && (size == 0 || fd_write_all(fd, data + 1, size - 1) == 0));
    if (!sealed)
        seals &= ~F_SEAL_SHRINK; /* it could still pull it away under the reader */
    CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
    rc = publish_take_fd(&world->publish, fd);
    CHECK(rc <= 0 && (sealed || rc == -EPERM));
    close(fd);
}

int fuzz_channel(const uint8_t *data, size_t size)
{
    static void (*const ways[FUZZ_WAYS])(
        const uint8_t *, size_t) = { play_messages, play_ring, play_memfd };

    if (world == NULL)
        make_world();
    if (size == 0)
        return 0;
    const int fds = fd_count();
    ways[data[0] % FUZZ_WAYS](data + 1, size - 1);
    cache_safepoint(world->cache);
    CHECK(cache_verify(world->cache, NULL, NULL) == 0);
    CHECK(fd_count() == fds);
    return 0;
}

uint64_t fuzz_channel_taken(void)
{
    return world != NULL ? world->region->master.published : 0;
}
