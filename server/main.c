/* SPDX-License-Identifier: MIT */
/* main.c - the command line of cowshed, and which code runs in which process. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>

#include "server/admin/admin.h"
#include "server/base/log.h"
#include "server/conf/conf_file.h"
#include "server/conf/options.h"
#include "server/ctl/ctl.h"
#include "server/ctl/signal.h"
#include "server/ctl/top.h"
#include "server/master/budget.h"
#include "server/master/master.h"
#include "server/master/signals.h"
#include "server/master/spawn.h"
#include "server/master/title.h"
#include "server/shared/version.h"
#include "server/tls/tls.h"
#include "server/worker/worker.h"

enum { OVERRIDES_MAX = 256, WORDS_MAX = 8 };

enum command {
    SERVE,
    TEST,
    TEST_AND_DUMP,
    SIGNAL,
    CTL,
    TOP,
    SHOW_VERSION,
    SHOW_BUILD,
    SHOW_HELP
};

struct command_line {
    enum command command;
    const char *file;   /* NULL: built-in defaults */
    const char *signal; /* -s */
    bool quiet, wait;
    char **words; /* behind `ctl` or `top` */
    int word_count;
    char *room[WORDS_MAX];
    struct {
        const char *name, *value; /* borrowed from argv */
        char *owned;              /* the name of an -o, which argv has with its value */
        const char *where;
    } overrides[OVERRIDES_MAX];
    unsigned count;
};

static const char usage_text[] =
    "usage: cowshed [-c FILE] [-m MODE] [-l ADDR:PORT] [-w SLOTS] [-o KEY=VALUE]...\n"
    "               [-t | -T] [-q] [-v | -V] [-h]\n"
    "       cowshed [-c FILE] [-o KEY=VALUE]... -s "
    "reload|reopen|quit|stop|refork|upgrade\n"
    "                                           [--wait]\n"
    "       cowshed [-c FILE] [-o KEY=VALUE]... ctl status|workers|purge "
    "URL|gc|refork|\n"
    "                                               reload|reopen|upgrade|drain\n"
    "       cowshed [-c FILE] [-o KEY=VALUE]... top [-b] [-d TIME] [-n COUNT]\n"
    "\n"
    "  -c FILE       read this configuration; without it built-in defaults hold\n"
    "  -m MODE       naive, pretouch, throttle, arena, threads or shared (-o "
    "mode=MODE)\n"
    "  -l ADDR:PORT  listen here (-o listen=ADDR:PORT)\n"
    "  -w SLOTS      this many event loops (-o slots=SLOTS)\n"
    "  -o KEY=VALUE  set any option of the configuration; the last one wins\n"
    "  -t            test the configuration, tell the worst case of memory, and leave\n"
    "  -T            the same, and write every option with its value\n"
    "  -q            with -t or -T: say nothing when all is well\n"
    "  -s SIGNAL     tell the running master (needs pid_file); --wait: until it is "
    "done\n"
    "  -v, -V        version; with libraries and compiler\n"
    "  -h            this text, then every option with its default and meaning\n";

/* --- the command line ----------------------------------------------------------------
 */

static int add_override(struct command_line *line, const char *name, const char *value,
                        const char *where)
{
    if (line->count == OVERRIDES_MAX) {
        fprintf(stderr, "cowshed: more than %d settings on the command line\n",
                OVERRIDES_MAX);
        return -E2BIG;
    }
    line->overrides[line->count].name = name;
    line->overrides[line->count].value = value;
    line->overrides[line->count].where = where;
    line->count++;
    return 0;
}

static int add_setting(struct command_line *line, char *text)
{
    char *equals = strchr(text, '='), *name;

    if (equals == NULL || equals == text) {
        fprintf(stderr, "cowshed: -o '%s': write it as KEY=VALUE\n", text);
        return -EINVAL;
    }
    name = strndup(text, (size_t)(equals - text)); /* argv stays, for an upgrade */
    if (name == NULL) {
        fprintf(stderr, "cowshed: out of memory\n");
        return -ENOMEM;
    }
    if (add_override(line, name, equals + 1, "-o") < 0) {
        free(name);
        return -E2BIG;
    }
    line->overrides[line->count - 1].owned = name;
    return 0;
}

static int take_option(struct command_line *line, int letter)
{
    switch (letter) {
    case 'c':
        line->file = optarg;
        return 0;
    case 'm':
        return add_override(line, "mode", optarg, "-m");
    case 'l':
        return add_override(line, "listen", optarg, "-l");
    case 'w':
        return add_override(line, "slots", optarg, "-w");
    case 'o':
        return add_setting(line, optarg);
    case 's':
        line->command = SIGNAL;
        line->signal = optarg;
        return 0;
    case 't':
        line->command = line->command == TEST_AND_DUMP ? TEST_AND_DUMP : TEST;
        return 0;
    case 'T':
        line->command = TEST_AND_DUMP;
        return 0;
    case 'q':
        line->quiet = true;
        return 0;
    case 'w' + 256:
        line->wait = true;
        return 0;
    case 'v':
        line->command = SHOW_VERSION;
        return 0;
    case 'V':
        line->command = SHOW_BUILD;
        return 0;
    case 'h':
        line->command = SHOW_HELP;
        return 0;
    default: /* getopt has said what */
        return -EINVAL;
    }
}

/* The first word ends them: it may be a command with options of its own. */
static const char letters[] = "+c:m:l:w:o:s:tTqvVh";
static const struct option longs[] = { { "wait", no_argument, NULL, 'w' + 256 },
                                       { "help", no_argument, NULL, 'h' },
                                       { "version", no_argument, NULL, 'v' },
                                       { NULL, 0, NULL, 0 } };

/* What stands behind the options: a command and its words. Options of ours may stand
 * between those of ctl; those of top are its own. */
static int take_words(int argc, char **argv, struct command_line *line)
{
    int rc = 0, letter;

    if (line->command != SERVE ||
        (strcmp(argv[optind], "ctl") != 0 && strcmp(argv[optind], "top") != 0)) {
        fprintf(stderr, "cowshed: '%s' is not understood\n", argv[optind]);
        return -EINVAL;
    }
    if (strcmp(argv[optind], "top") == 0) {
        line->command = TOP;
        line->words = argv + optind + 1;
        line->word_count = argc - optind - 1;
        return 0;
    }
    line->command = CTL;
    line->words = line->room;
    optind++;
    while (rc == 0 && optind < argc) {
        if (argv[optind][0] != '-' && line->word_count < WORDS_MAX) {
            line->room[line->word_count++] = argv[optind++];
            continue;
        }
        letter = getopt_long(argc, argv, letters, longs, NULL);
        if (letter == -1)
            break;
        rc = take_option(line, letter);
    }
    if (rc == 0 && optind < argc) {
        fprintf(stderr, "cowshed: '%s' is one word too many\n", argv[optind]);
        return -EINVAL;
    }
    return rc;
}

static int parse(int argc, char **argv, struct command_line *line)
{
    int letter, rc = 0;

    while (rc == 0 && (letter = getopt_long(argc, argv, letters, longs, NULL)) != -1)
        rc = take_option(line, letter);
    if (rc == 0 && optind < argc)
        rc = take_words(argc, argv, line);
    if (rc == 0 && line->wait && line->command != SIGNAL) {
        fprintf(stderr, "cowshed: --wait goes with -s only\n");
        rc = -EINVAL;
    }
    if (rc < 0)
        fprintf(stderr, "cowshed: -h tells how it is used\n");
    return rc;
}

/* --- options -------------------------------------------------------------------------
 */

static struct budget budget_for(const struct options *o)
{
    const struct worker_costs costs = worker_costs(o);
    struct budget budget;

    budget_of(o, &costs, &budget);
    return budget;
}

static int check_budget(const struct options *o, struct option_error *ret_error)
{
    const struct budget budget = budget_for(o);

    return budget_check(&budget, o, ret_error);
}

/* Defaults, then the file, then the command line. For the start and for each reload. */
static int load(void *arg, struct options **ret, struct option_error *ret_error)
{
    const struct command_line *line = arg;
    struct options *o = options_new();
    int rc = 0;

    if (o == NULL) {
        snprintf(ret_error->text, sizeof ret_error->text, "out of memory");
        return -ENOMEM;
    }
    if (line->file != NULL)
        rc = conf_file_read(o, line->file, ret_error);
    for (unsigned i = 0; rc == 0 && i < line->count; i++)
        rc = options_set(o, line->overrides[i].name, line->overrides[i].value,
                         line->overrides[i].where, ret_error);
    if (rc == 0)
        rc = options_resolve(o, ret_error);
    if (rc == 0)
        rc = check_budget(o, ret_error);
    if (rc < 0) {
        options_free(o);
        return rc;
    }
    *ret = o;
    return 0;
}

static const char *name_of(const struct command_line *line)
{
    return line->file != NULL ? line->file : "(built-in defaults)";
}

/* --- commands ------------------------------------------------------------------------
 */

static int check_tls(const struct options *o, struct option_error *ret_error)
{
    struct tls *tls;
    int rc = tls_new(o, &tls, ret_error);

    tls_free(tls);
    return rc;
}

static int test(struct command_line *line)
{
    struct option_error error;
    struct options *o;
    int rc = load(line, &o, &error);

    if (rc == 0) {
        rc = master_check(o, &error);
        if (rc == 0)
            rc = master_check_files(o, &error);
        if (rc == 0)
            rc = check_tls(o, &error);
        if (rc == 0 && line->command == TEST_AND_DUMP)
            options_dump(o, stdout);
        if (rc == 0 && !line->quiet) {
            const struct budget budget = budget_for(o);

            budget_print(&budget, stderr);
        }
        options_free(o);
    }
    if (rc < 0) {
        fprintf(stderr, "cowshed: %s\n", error.text);
        fprintf(stderr, "cowshed: configuration file %s test failed\n", name_of(line));
        return EXIT_USAGE;
    }
    if (!line->quiet)
        fprintf(stderr, "cowshed: configuration file %s test is successful\n",
                name_of(line));
    return EXIT_STOPPED;
}

/* What another cowshed is asked or told; the options say where it is. */
static int talk(struct command_line *line)
{
    struct option_error error;
    struct options *o;
    int code;

    if (load(line, &o, &error) < 0) {
        fprintf(stderr, "cowshed: %s\n", error.text);
        return EXIT_USAGE;
    }
    if (line->command == CTL)
        code = ctl_run(o, line->words, line->word_count);
    else if (line->command == TOP)
        code = top_run(o, line->words, line->word_count);
    else
        code = signal_master(o, line->signal, line->wait);
    options_free(o);
    return code;
}

static int show_build(void)
{
    printf("cowshed %s\n", COWSHED_VERSION);
    printf("compiler: %s, libevent %s, jansson %s\n", __VERSION__, event_get_version(),
           jansson_version_str());
    printf("TLS: %s\n", tls_library());
    printf("modes: naive, pretouch, throttle, arena, threads, shared\n");
    return EXIT_STOPPED;
}

/* libevent would write to standard error in a form of its own, and leave with 1. */
static void on_event_words(int severity, const char *words)
{
    if (severity >= EVENT_LOG_WARN)
        log_warn("libevent: %s", words);
}

static void on_event_fatal(int err)
{
    (void)err;
    log_fatal("libevent cannot go on");
    _exit(EXIT_OS);
}

static int serve(struct command_line *line, char *const *argv)
{
    static const struct spawn_roles roles = { worker_run, host_run, admin_run };
    static const enum log_level levels[] = { [LOGLEVEL_UNSET] = LOG_INFO,
                                             [LOGLEVEL_DEBUG] = LOG_DEBUG,
                                             [LOGLEVEL_INFO] = LOG_INFO,
                                             [LOGLEVEL_WARN] = LOG_WARN,
                                             [LOGLEVEL_ERR] = LOG_ERR };
    struct master_config config = { .name = name_of(line),
                                    .roles = &roles,
                                    .reload = load,
                                    .arg = line,
                                    .argv = argv };
    struct option_error error;

    if (load(line, &config.options, &error) < 0) {
        log_fatal("%s", error.text);
        return EXIT_CONFIG;
    }
    log_unblock_stderr();
    log_open(levels[config.options->log_level], 2);
    event_set_log_callback(on_event_words);
    event_set_fatal_callback(on_event_fatal);
    return master_run(&config);
}

static int run(struct command_line *line, char *const *argv)
{
    switch (line->command) {
    case SERVE:
        return serve(line, argv);
    case TEST:
    case TEST_AND_DUMP:
        return test(line);
    case SIGNAL:
    case CTL:
    case TOP:
        return talk(line);
    case SHOW_VERSION:
        printf("cowshed %s\n", COWSHED_VERSION);
        return EXIT_STOPPED;
    case SHOW_BUILD:
        return show_build();
    case SHOW_HELP:
        fputs(usage_text, stdout);
        fputs("\nOptions:\n\n", stdout);
        options_help(stdout);
        return EXIT_STOPPED;
    }
    return EXIT_USAGE;
}

/* What was asked for is on its way, or it is not done: to a full disk, say. */
static int check_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_STOPPED;
    fprintf(stderr, "cowshed: could not write the output: %s\n", log_errno_text(errno));
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct command_line line = { .command = SERVE };
    int code = EXIT_USAGE;
    char **copy;

    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    signals_hold();           /* until the loop of the master listens to them */
    copy = title_init(argc, argv);
    if (copy != NULL)
        argv = copy;
    if (parse(argc, argv, &line) == 0) {
        if (line.command != SERVE)
            signals_let();
        code = run(&line, argv);
        if (line.command != SERVE && code == EXIT_STOPPED)
            code = check_output();
    }
    for (unsigned i = 0; i < line.count; i++)
        free(line.overrides[i].owned);
    return code;
}
