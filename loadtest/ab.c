/* SPDX-License-Identifier: MIT */
/* ab.c - sets the comparison up, walks through its blocks, writes the report. */
#include "loadtest/ab.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loadtest/ab_loads.h"
#include "loadtest/ab_report.h"
#include "loadtest/plain.h"
#include "server/base/clock.h"
#include "server/base/fd.h"
#include "server/base/prng.h"

/* --- set-up --- */

/* With just two processors each side gets one; with more the scheduler has room. What
 * collects the results of the generator may run on either: it gives way to both. */
static void choose_cpus(struct ab *ab)
{
    CPU_ZERO(&ab->allowed_cpus);
    CPU_ZERO(&ab->server_cpus);
    CPU_ZERO(&ab->client_cpus);
    if (sched_getaffinity(0, sizeof ab->allowed_cpus, &ab->allowed_cpus) < 0)
        return;
    ab->server_cpu = CPU_SETSIZE;
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &ab->allowed_cpus))
            continue;
        if (ab->server_cpu == CPU_SETSIZE)
            ab->server_cpu = i;
        ab->client_cpu = i;
    }
    if (CPU_COUNT(&ab->allowed_cpus) != 2)
        return;
    CPU_SET(ab->server_cpu, &ab->server_cpus);
    CPU_SET(ab->client_cpu, &ab->client_cpus);
    ab->pinned = true;
    ab->realtime = client_may_be_realtime();
}

/* cowshed lies beside cowload unless told otherwise. */
static int find_program(struct ab *ab)
{
    const char *given = ab->options->server_path;
    char *slash;
    if (given != NULL) {
        snprintf(ab->program, sizeof ab->program, "%s", given);
    } else {
        ssize_t n = readlink("/proc/self/exe", ab->program, sizeof ab->program - 16);
        ab->program[n > 0 ? n : 0] = '\0';
        slash = strrchr(ab->program, '/');
        if (slash == NULL)
            slash = ab->program;
        memcpy(slash, "/cowshed", sizeof "/cowshed");
    }
    if (access(ab->program, X_OK) == 0)
        return 0;
    fprintf(stderr, "cowload: could not run the server '%s': %s\n", ab->program,
            strerror(errno));
    return -ENOENT;
}

/* mkdir -p */
static int make_folder(const char *path)
{
    char part[AB_PATH_MAX];
    for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* Two runs would take each other's files away. The lock ends with the process. */
static int lock_folder(struct ab *ab)
{
    ab->out_fd = open(ab->options->out_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ab->out_fd < 0)
        return -errno;
    return flock(ab->out_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int open_out(struct ab *ab)
{
    char path[AB_PATH_MAX];
    if (strlen(ab->options->out_dir) > AB_DIR_MAX - sizeof "/load-100") {
        fprintf(stderr, "cowload: the name of the folder '%.40s...' is too long\n",
                ab->options->out_dir);
        return -ENAMETOOLONG;
    }
    int err = make_folder(ab->options->out_dir);
    snprintf(path, sizeof path, "%s/server.log", ab->options->out_dir);
    if (err == 0)
        err = lock_folder(ab);
    if (err == 0)
        err = out_open(&ab->server_log, path, OUT_IN_PLACE);
    if (err < 0)
        fprintf(stderr, "cowload: could not write to '%s': %s\n", ab->options->out_dir,
                err == -EWOULDBLOCK ? "another comparison does" : strerror(-err));
    return err;
}

static int make_arms(struct ab *ab)
{
    for (unsigned i = 0; i < ab->options->n_arms; i++) {
        struct ab_arm *arm = &ab->arms[i];
        if (tally_init(&arm->tally) < 0)
            return -ENOMEM;
        ab->n_arms++;
        arm->name = &ab->options->arms[i];
        arm->cells = calloc(ab->options->blocks, sizeof *arm->cells);
        if (arm->cells == NULL)
            return -ENOMEM;
    }
    return 0;
}

static void ab_free(struct ab *ab)
{
    for (unsigned i = 0; i < ab->n_arms; i++) {
        tally_free(&ab->arms[i].tally);
        free(ab->arms[i].cells);
        attrib_free(&ab->arms[i].attrib);
    }
    out_abort(&ab->server_log);
    fd_close(&ab->out_fd);
}

/* --- the blocks --- */

static void run_block(struct ab *ab, unsigned block, struct prng *prng)
{
    unsigned order[AB_ARMS_MAX];
    ab_order(ab, order, prng);
    for (unsigned i = 0; i < ab->n_arms && !ab->interrupted; i++) {
        struct ab_arm *arm = &ab->arms[order[i]];
        char words[96];
        if (!arm->usable)
            continue;
        snprintf(words, sizeof words, "%sblock %u of %u: %s", ab->load_words, block + 1,
                 ab->blocks, arm->name->label);
        ab_progress(ab, words);
        ab_run_cell(ab, arm, block);
    }
}

static void run_blocks(struct ab *ab)
{
    struct prng prng;
    uint64_t begun = clock_ns();
    prng_seed(&prng, plan_derive_seed(ab->options->seed, 7 + ab->load));
    for (unsigned b = 0; b < ab->blocks && !ab->interrupted; b++) {
        run_block(ab, b, &prng);
        ab->done += !ab->interrupted;
        uint64_t each = (clock_ns() - begun) / (b + 1);
        unsigned to_come = ab->blocks * (ab->options->n_loads - ab->load) - b - 1;
        ab->expected_end_ns = clock_ns() + each * to_come;
    }
    ab_progress_end(ab);
}

/* --- the report --- */

static int write_text(struct ab *ab, const struct ab_verdicts *verdicts)
{
    char path[AB_PATH_MAX];
    snprintf(path, sizeof path, "%s/report.txt", ab->out_dir);
    struct out_file out;
    int err = out_open(&out, path, OUT_WHOLE);
    if (err == 0) {
        ab_report_text(out.stream, ab, verdicts);
        err = out_commit(&out);
    }
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    return err;
}

static int write_json(struct ab *ab, const struct ab_verdicts *verdicts)
{
    char path[AB_PATH_MAX];
    snprintf(path, sizeof path, "%s/report.json", ab->out_dir);
    int err = ab_report_json(path, ab, verdicts);
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    return err;
}

static int write_html(struct ab *ab, const struct ab_verdicts *verdicts)
{
    char path[AB_PATH_MAX];
    snprintf(path, sizeof path, "%s/report.html", ab->out_dir);
    int err = ab_report_html(path, ab, verdicts);
    if (err < 0)
        out_complain(path, err, OUT_WHOLE);
    return err;
}

static int end_server_log(struct ab *ab)
{
    char path[AB_PATH_MAX];
    snprintf(path, sizeof path, "%s/server.log", ab->options->out_dir);
    int err = out_is_open(&ab->server_log) ? out_commit(&ab->server_log) : 0;
    if (err < 0)
        out_complain(path, err, OUT_IN_PLACE);
    return err;
}

static int report(struct ab *ab, struct ab_loads *loads)
{
    struct ab_verdicts verdicts = { 0 };
    if (ab_judge(ab, &verdicts) < 0)
        return -ENOMEM;
    ab_report_text(stdout, ab, &verdicts);
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed)
        fprintf(stderr, "cowload: could not write the report to standard output\n");
    failed |= write_text(ab, &verdicts) < 0;
    failed |= write_json(ab, &verdicts) < 0;
    failed |= write_html(ab, &verdicts) < 0;
    loads_note(loads, ab, &verdicts);
    if (failed)
        ab->unwritten++;
    return 0;
}

/* Of this load. */
static bool is_trusted(const struct ab *ab)
{
    for (unsigned i = 0; i < ab->n_arms; i++) {
        if (!ab_trusted(&ab->arms[i]))
            return false;
    }
    return true;
}

static bool has_failed(const struct ab *ab)
{
    for (unsigned i = 0; i < ab->n_arms; i++) {
        if (!ab->arms[i].usable || ab->arms[i].failed > 0)
            return true;
    }
    return ab->interrupted;
}

/* --- all of it --- */

static int prepare(struct ab *ab)
{
    int err = find_program(ab);
    if (err == 0)
        err = open_out(ab);
    if (err == 0)
        err = make_arms(ab);
    if (err < 0)
        return err;
    choose_cpus(ab);
    ab->rate = ab->options->rate;
    /* what others wrote, a build for example, would go to the disk meanwhile: kernel
     * threads do that, and nothing that waits for their processor can interrupt them */
    ab_progress(ab, "writing what is dirty to the disk");
    sync();
    ab_progress(ab, "calibrating the machine");
    err = calibrate(&ab->calibration);
    if (err < 0)
        fprintf(stderr, "cowload: could not calibrate the machine: %s\n",
                strerror(-err));
    return err;
}

/* Before the next load. */
static void forget_results(struct ab *ab)
{
    ab->done = 0;
    for (unsigned i = 0; i < ab->n_arms; i++) {
        struct ab_arm *arm = &ab->arms[i];
        tally_reset(&arm->tally);
        memset(arm->cells, 0, ab->options->blocks * sizeof *arm->cells);
        attrib_free(&arm->attrib);
        arm->cost = (struct status){ .faults = 0 };
        arm->seconds = 0;
        arm->measured = arm->invalid = arm->failed = 0;
    }
}

/* With several loads each has a folder of its own. */
static int begin_load(struct ab *ab, unsigned load)
{
    const struct ab_options *options = ab->options;
    unsigned percent = (unsigned)lround(100 * options->loads[load]);
    ab->load = load;
    ab_choose_rate(ab);
    snprintf(ab->out_dir, sizeof ab->out_dir, "%s", options->out_dir);
    ab->load_words[0] = '\0';
    if (options->n_loads == 1)
        return 0;
    snprintf(ab->out_dir, sizeof ab->out_dir, "%s/load-%u", options->out_dir, percent);
    snprintf(ab->load_words, sizeof ab->load_words, "load %u%%, ", percent);
    int err = make_folder(ab->out_dir);
    if (err < 0)
        fprintf(stderr, "cowload: could not write to '%s': %s\n", ab->out_dir,
                strerror(-err));
    return err;
}

static int run_loads(struct ab *ab, int *ret_code)
{
    struct ab_loads loads = { .n = 0 };
    bool trusted = true, failed = false;
    int err = 0;
    for (unsigned i = 0; i < ab->options->n_loads && err == 0 && !ab->interrupted;
         i++) {
        forget_results(ab);
        err = begin_load(ab, i);
        if (err < 0)
            return err;
        run_blocks(ab);
        err = report(ab, &loads);
        trusted = trusted && is_trusted(ab);
        failed = failed || has_failed(ab);
    }
    if (err < 0)
        return err;
    if (ab->options->n_loads > 1 && loads_report(&loads, ab) < 0)
        ab->unwritten++;
    if (ab->unwritten > 0)
        return -EIO;
    printf("\nreport.html, report.txt, report.json, the .hlog files and server.log are "
           "in %s\n",
           ab->options->out_dir);
    *ret_code = failed ? EXIT_FAILURE : trusted ? EXIT_SUCCESS : EXIT_INVALID;
    return 0;
}

static int compare(const struct ab_options *options)
{
    struct ab ab = { .options = options,
                     .out_fd = -1,
                     .begun_ns = clock_ns(),
                     .terminal = isatty(STDERR_FILENO) };
    int code = EXIT_FAILURE;
    int err = prepare(&ab);
    if (err == 0) {
        err = ab_probe(&ab);
        ab_progress_end(&ab);
    }
    if (err == 0)
        err = options->goal_text != NULL ? ab_slo(&ab, &code) : run_loads(&ab, &code);
    if (end_server_log(&ab) < 0)
        err = -EIO;
    ab_free(&ab);
    return err < 0 ? EXIT_FAILURE : code;
}

int ab_main(int argc, char **argv)
{
    struct ab_options options;
    char error[ARGS_ERROR_MAX];
    int code = EXIT_SUCCESS;
    if (ab_options_parse(&options, argc, argv, error) < 0) {
        fprintf(stderr, "cowload: %s\n       cowload ab --help lists the options\n",
                error);
        code = EXIT_FAILURE;
    } else if (options.help) {
        puts("usage: cowload ab [options] [PATH]");
        ab_options_help(stdout);
    } else {
        plain_prepare(options.connections);
        code = compare(&options);
    }
    ab_options_free(&options);
    return code;
}
