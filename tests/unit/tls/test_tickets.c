/* SPDX-License-Identifier: MIT */
/* test_tickets.c - which keys of session tickets are known, and to whom. */
#define TLS_IMPL
#include "server/tls/tickets.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/tls/tls_impl.h"
#include "tests/test.h"

static struct tls tls;
static struct tls_keys *keys;
static SSL_CTX *ctx;
static SSL *ssl;

static int make(void **state)
{
    (void)state;
    keys = tls_keys_new();
    tls.keys = keys;
    tls.ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    tls.at[0].tls = &tls;
    ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_app_data(ctx, &tls.at[0]);
    ssl = SSL_new(ctx);
    return keys == NULL || ssl == NULL ? -1 : 0;
}

static int destroy(void **state)
{
    (void)state;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    EVP_CIPHER_free(tls.ticket_cipher);
    tls_keys_free(keys);
    return 0;
}

/* What the callback of OpenSSL answers, with contexts as it would give. */
static int ask(unsigned char name[16], int encrypt)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    unsigned char iv[EVP_MAX_IV_LENGTH] = { 0 };
    int rc = tls_ticket_key(ssl, name, iv, cipher, mac, encrypt);

    EVP_CIPHER_CTX_free(cipher);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac);
    return rc;
}

static void a_key_is_good_then_renewed_then_forgotten(void **state)
{
    unsigned char first[16], later[16];

    (void)state;
    check_int(ask(first, 1), 1);
    check_int(ask(first, 0), 1, "as it is");
    check_int(tls_keys_rotate(keys), 0);
    check_int(ask(first, 0), 2, "good, and to be replaced");
    check_int(ask(later, 1), 1);
    check_true(memcmp(first, later, sizeof first) != 0, "another key");
    check_int(ask(later, 0), 1);
    check_int(tls_keys_rotate(keys), 0);
    check_int(ask(first, 0), 0, "forgotten");
    check_int(ask(later, 0), 2);
    for (int i = 0; i < 10; i++) {
        check_int(tls_keys_rotate(keys), 0);
        check_int(ask(later, 1), 1);
        check_int(ask(later, 0), 1);
    }
}

static void a_name_that_no_key_has_is_not_known(void **state)
{
    unsigned char name[16] = "invented by them";

    (void)state;
    check_int(ask(name, 0), 0);
    tls.keys = NULL;
    check_int(ask(name, 1), 0, "without keys there are no tickets");
    tls.keys = keys;
}

/* What the master makes, a child that was forked before sees. */
static void children_have_the_keys_of_their_master(void **state)
{
    unsigned char name[16];
    int go[2], status;
    char byte = 0;

    (void)state;
    check_int(pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0) {
        unsigned char mine[16];

        if (read(go[0], &byte, 1) != 1 || ask(mine, 1) != 1)
            _exit(1);
        _exit(memcmp(mine, keys->at[1].name, sizeof mine) == 0 ? 0 : 2);
    }
    check_int(tls_keys_rotate(keys), 0);
    check_int(write(go[1], &byte, 1), 1);
    waitpid(pid, &status, 0);
    check_int(status, 0);
    check_int(ask(name, 1), 1);
    close(go[0]);
    close(go[1]);
}

static void the_next_program_has_the_same_keys_of_the_same_age(void **state)
{
    unsigned char first[16], second[16];

    (void)state;
    check_int(ask(first, 1), 1);
    check_int(tls_keys_rotate(keys), 0);
    check_int(ask(second, 1), 1);
    uint64_t rotated_ns = keys->rotated_ns;
    int fd = tls_keys_write(keys);
    check_true(fd >= 0, "%d", fd);
    struct tls_keys *next = tls_keys_new();
    tls.keys = next;
    check_int(ask(first, 0), 0, "its own key is another one");
    check_int(tls_keys_read(next, fd), 0);
    check_int(ask(first, 0), 2);
    check_int(ask(second, 0), 1);
    check_true(next->rotated_ns == rotated_ns, "as old as it was");
    check_int(tls_keys_rotate(next), 0);
    check_int(ask(second, 0), 2);
    tls.keys = keys;
    check_int(ask(second, 0), 1, "the older one goes on by itself");
    tls_keys_free(next);
    close(fd);
}

static void what_holds_no_keys_is_refused(void **state)
{
    struct tls_keys before;

    (void)state;
    memcpy(&before, keys, sizeof before);
    for (unsigned fault = 0; fault < 4; fault++) {
        uint64_t future = UINT64_MAX, none = 0;
        int fd = tls_keys_write(keys);

        check_true(fd >= 0, "%d", fd);
        if (fault == 0)
            check_int(ftruncate(fd, 40), 0);
        else if (fault == 1)
            check_int(pwrite(fd, "x", 1, 0), 1);
        else if (fault == 2) /* when the newest was made */
            check_int(pwrite(fd, &future, sizeof future, 8), sizeof future);
        else /* how many there were */
            check_int(pwrite(fd, &none, sizeof none, 16), sizeof none);
        check_int(tls_keys_read(keys, fd), -EBADMSG, "fault %u", fault);
        check_mem(keys, sizeof *keys, &before, sizeof before, "fault %u", fault);
        close(fd);
    }
    check_int(tls_keys_read(keys, -1), -EBADF);
}

#define fresh(name) test_with(name, make, destroy)
TEST_MAIN(fresh(a_key_is_good_then_renewed_then_forgotten),
          fresh(a_name_that_no_key_has_is_not_known),
          fresh(children_have_the_keys_of_their_master),
          fresh(the_next_program_has_the_same_keys_of_the_same_age),
          fresh(what_holds_no_keys_is_refused))
