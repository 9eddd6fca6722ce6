/* SPDX-License-Identifier: MIT */
/* tickets.c - see tickets.h. AES-256-CBC and HMAC-SHA256, as RFC 5077, 4 recommends. */
#define TLS_IMPL
#include "server/tls/tickets.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/tls/tls_impl.h"

struct tls_keys *tls_keys_new(void)
{
    struct tls_keys *keys = mmap(NULL, sizeof *keys, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (keys == MAP_FAILED)
        return NULL;
    madvise(keys, sizeof *keys, MADV_DONTDUMP); /* no core holds them */
    if (tls_keys_rotate(keys) < 0) {
        tls_keys_free(keys);
        return NULL;
    }
    return keys;
}

void tls_keys_free(struct tls_keys *keys)
{
    if (keys == NULL)
        return;
    explicit_bzero(keys, sizeof *keys);
    munmap(keys, sizeof *keys);
}

int tls_keys_rotate(struct tls_keys *keys)
{
    uint32_t made = atomic_load_explicit(&keys->rotations, memory_order_relaxed);
    struct tls_key key;

    keys->rotated_ns = clock_ns();
    if (getrandom(&key, sizeof key, 0) != sizeof key)
        return -errno;
    keys->at[made % TLS_KEYS] = key;
    explicit_bzero(&key, sizeof key);
    atomic_store_explicit(&keys->rotations, made + 1, memory_order_release);
    return 0;
}

/* --- from one program to the next ----------------------------------------------------
 */

static const char handed_magic[8] = "cowkeys1";

struct handed {
    char magic[sizeof handed_magic];
    uint64_t rotated_ns;
    uint32_t rotations, none;
    struct tls_key at[TLS_KEYS];
};

int tls_keys_write(const struct tls_keys *keys)
{
    struct handed handed = {
        .rotated_ns = keys->rotated_ns,
        .rotations = atomic_load_explicit(&keys->rotations, memory_order_relaxed),
    };
    int fd = memfd_create("cowshed-keys", MFD_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    memcpy(handed.magic, handed_magic, sizeof handed.magic);
    memcpy(handed.at, keys->at, sizeof handed.at);
    rc = fd_write_all(fd, &handed, sizeof handed);
    explicit_bzero(&handed, sizeof handed);
    if (rc < 0)
        fd_close(&fd);
    return rc < 0 ? rc : fd;
}

int tls_keys_read(struct tls_keys *keys, int fd)
{
    struct handed handed;
    ssize_t n = pread(fd, &handed, sizeof handed, 0);
    int rc = 0;

    if (n < 0)
        return -errno;
    if (n != sizeof handed ||
        memcmp(handed.magic, handed_magic, sizeof handed.magic) != 0 ||
        handed.rotations == 0 || handed.rotated_ns > clock_ns()) {
        rc = -EBADMSG;
    } else {
        memcpy(keys->at, handed.at, sizeof handed.at);
        keys->rotated_ns = handed.rotated_ns;
        atomic_store_explicit(&keys->rotations, handed.rotations, memory_order_release);
    }
    explicit_bzero(&handed, sizeof handed);
    return rc;
}

/* --- what OpenSSL asks ---------------------------------------------------------------
 */

/* The key of that name, with how many newer ones there are; NULL: forgotten. */
static const struct tls_key *find(const struct tls_keys *keys, uint32_t made,
                                  const unsigned char name[16], uint32_t *ret_age)
{
    for (uint32_t age = 0; age < TLS_KEYS - 1 && age < made; age++) {
        const struct tls_key *key = &keys->at[(made - 1 - age) % TLS_KEYS];

        *ret_age = age;
        if (memcmp(key->name, name, sizeof key->name) == 0)
            return key;
    }
    return NULL;
}

static int set_mac(EVP_MAC_CTX *mac, const struct tls_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
                                          (void *)(uintptr_t)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params);
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 good, 2 good and to be replaced, 0 not
 * known, -1 an error. */
int tls_ticket_key(SSL *ssl, unsigned char name[16],
                   unsigned char iv[EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, int encrypt)
{
    const struct tls_certificate *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_keys *keys = c->tls->keys;
    const EVP_CIPHER *aes = c->tls->ticket_cipher;
    uint32_t made, age = 0;
    const struct tls_key *key;

    if (keys == NULL)
        return 0;
    made = atomic_load_explicit(&keys->rotations, memory_order_acquire);
    if (encrypt) {
        key = &keys->at[(made - 1) % TLS_KEYS];
        memcpy(name, key->name, sizeof key->name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1)
            return -1;
    } else {
        key = find(keys, made, name, &age);
        if (key == NULL)
            return 0;
    }
    if (EVP_CipherInit_ex(cipher, aes, NULL, key->cipher, iv, encrypt) != 1 ||
        set_mac(mac, key) != 1)
        return -1;
    return age == 0 ? 1 : 2;
}
