/* SPDX-License-Identifier: MIT */
/* check.c - what can be found wrong with options before anything is touched; see
 * master.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/log.h"
#include "server/conf/options.h"
#include "server/master/master_priv.h"
#include "server/shared/pid_file.h"

static bool is_off(const char *text)
{
    return strcmp(text, "off") == 0;
}

static int complain(const struct options *o, struct option_error *ret_error,
                    const char *name, const char *value, const char *why)
{
    snprintf(ret_error->text, sizeof ret_error->text, "%s = '%s' (%s): %s", name, value,
             options_where(o, name), why);
    return -EINVAL;
}

/* 0, or why nothing below the root could be opened. */
static int try_root(const char *root)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), below, rc = 0;

    if (fd < 0)
        return -errno;
    below = openat(fd, ".", O_PATH | O_CLOEXEC); /* searches it, as each request does */
    if (below < 0)
        rc = -errno;
    else
        close(below);
    close(fd);
    return rc;
}

static bool is_file_name(const char *text)
{
    return strchr(text, '/') == NULL && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0 && strlen(text) <= NAME_MAX;
}

static int check_identity(const struct options *o, struct option_error *ret_error)
{
    struct identity identity;
    const char *name = NULL;
    int rc = identity_find(o, &identity, &name);

    if (rc == 0)
        return 0;
    return complain(o, ret_error, name, name[0] == 'u' ? o->user : o->group,
                    rc == -EPERM ? "only root can start workers as somebody else"
                                 : "there is no such name");
}

static int check_root(const struct options *o, struct option_error *ret_error)
{
    struct identity identity;
    const char *name;
    char words[96];
    int rc;

    if (o->origin != ORIGIN_FILE)
        return 0;
    if (!is_file_name(o->index))
        return complain(o, ret_error, "index", o->index,
                        "it is not the name of a file; allowed: a name without '/'");
    rc = try_root(o->root);
    if (rc < 0)
        return complain(o, ret_error, "root", o->root, log_errno_text(rc));
    if (identity_find(o, &identity, &name) < 0 ||
        identity_try(&identity, try_root, o->root) == 0)
        return 0;
    snprintf(words, sizeof words, "the user of the workers, %u, may not search it",
             (unsigned)identity.uid);
    return complain(o, ret_error, "root", o->root, words);
}

/* All that are on, each an address of its own (port 0 is another one each time). */
static int check_addresses(const struct options *o, struct option_error *ret_error)
{
    const struct {
        const char *name, *text;
    } all[] = { { "listen", o->listen },
                { "tls.listen", o->tls_listen },
                { "admin", o->admin },
                { "agent", o->agent } };
    char texts[sizeof all / sizeof all[0]][ADDRESS_TEXT_MAX], words[64];
    struct address address;
    const char *why;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        texts[i][0] = '\0';
        if (i > 0 && is_off(all[i].text))
            continue;
        if (address_parse(all[i].text, &address, &why) < 0)
            return complain(o, ret_error, all[i].name, all[i].text, why);
        address_format(texts[i], &address);
        if (strcmp(strrchr(texts[i], ':'), ":0") == 0)
            continue;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(texts[k], texts[i]) != 0)
                continue;
            snprintf(words, sizeof words, "that is where %s listens", all[k].name);
            return complain(o, ret_error, all[i].name, all[i].text, words);
        }
    }
    return 0;
}

int master_check(const struct options *o, struct option_error *ret_error)
{
    int rc = check_addresses(o, ret_error);

    if (rc < 0)
        return rc;
    if (!is_off(o->agent) && is_off(o->admin))
        return complain(o, ret_error, "agent", o->agent,
                        "the admin process answers there, and admin is off");
    rc = check_identity(o, ret_error);
    return rc < 0 ? rc : check_root(o, ret_error);
}

/* It can be written, or made; nothing is. A pipe that nobody reads cannot. */
static int try_to_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (fd >= 0) {
        close(fd);
        return 0;
    }
    if (errno != ENOENT)
        return -errno;
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path);
    return access(folder, W_OK | X_OK) < 0 ? -errno : 0;
}

int master_check_files(const struct options *o, struct option_error *ret_error)
{
    int rc = 0;

    if (!is_off(o->access_log) && strcmp(o->access_log, "-") != 0)
        rc = try_to_write(o->access_log);
    if (rc < 0)
        return complain(o, ret_error, "access_log", o->access_log, log_errno_text(rc));
    if (o->pid_file[0] != '\0')
        rc = try_to_write(o->pid_file);
    if (rc == 0)
        rc = pid_file_check(o->pid_file);
    return rc < 0 ? complain(o, ret_error, "pid_file", o->pid_file, pid_file_words(rc))
                  : 0;
}
