/* SPDX-License-Identifier: MIT */
/* Files are written into a folder of their own; error messages name them by path, which
 * is cut off before comparing. */
#include "server/conf/conf_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/conf/option_table.h"
#include "server/conf/options.h"
#include "tests/test.h"

static char folder[] = "/tmp/cowshed-conf-XXXXXX";
static char path[64], other[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/a.conf", folder);
    snprintf(other, sizeof other, "%s/b.conf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    int result = rmdir(folder);
    snprintf(folder, sizeof folder, "/tmp/cowshed-conf-XXXXXX");
    return result;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    check_not_null(f);
    fputs(text, f);
    fclose(f);
}

static int read_conf(struct options *o, struct option_error *error)
{
    memset(error, 0, sizeof *error);
    return conf_file_read(o, path, error);
}

static const char *without_folder(const char *message)
{
    return strncmp(message, folder, strlen(folder)) == 0 ? message + strlen(folder) + 1
                                                         : message;
}

static const char *source(const struct options *o, const char *name)
{
    return without_folder(o->sources[option_find(name) - option_table].where);
}

static void values_are_read_with_sections_and_their_lines(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    write_file(path, "listen = [::1]:8080 # a comment\n"
                     "root = \"/srv/www and more\" /* another */\n"
                     "gc {\n"
                     "    percent = 50\n"
                     "    marks = side\n"
                     "}\n"
                     "keepalive_timeout = 5s\n"
                     "cache { valid = 20ms }\n");
    check_int(read_conf(o, &error), 0, "%s", error.text);
    check_str(o->listen, "[::1]:8080");
    check_str(o->root, "/srv/www and more");
    check_int(o->gc_percent, 50);
    check_int(o->gc_marks, MARKS_SIDE);
    check_int(o->keepalive_timeout_ms, 5000);
    check_int(o->cache_valid_ms, 20);
    check_str(source(o, "listen"), "a.conf:1");
    check_str(source(o, "gc.marks"), "a.conf:5");
    check_str(source(o, "cache.valid"), "a.conf:8");
    options_free(o);
}

static void a_byte_order_mark_at_the_beginning_is_skipped(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    write_file(path, "\xef\xbb\xbfslots = 3\n");
    check_int(read_conf(o, &error), 0, "%s", error.text);
    check_int(o->slots, 3);
    options_free(o);

    o = options_new();
    write_file(path, "slots = 3\n\xef\xbb\xbfroot = a\n");
    check_int(read_conf(o, &error), -ENOENT, "in the middle it is a name");
    options_free(o);
}

static void the_environment_can_be_inserted(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    setenv("COWSHED_TEST_ROOT", "/srv/x", 1);
    unsetenv("COWSHED_TEST_NOTHING");
    write_file(path, "root = ${COWSHED_TEST_ROOT}\n"
                     "pid_file = \"${COWSHED_TEST_ROOT}/pid\"\n"
                     "index = '${COWSHED_TEST_ROOT}'\n");
    check_int(read_conf(o, &error), 0, "%s", error.text);
    check_str(o->root, "/srv/x");
    check_str(o->pid_file, "/srv/x/pid");
    check_str(o->index, "${COWSHED_TEST_ROOT}");
    options_free(o);

    o = options_new();
    write_file(path, "root = \"${COWSHED_TEST_NOTHING:-/srv/y}\"\n"
                     "access_log = \"/var/log/${COWSHED_TEST_ROOT:-z}\"\n");
    check_int(read_conf(o, &error), 0, "%s", error.text);
    check_str(o->root, "/srv/y");
    check_str(o->access_log, "/var/log//srv/x");
    options_free(o);

    o = options_new();
    write_file(path, "\nroot = \"/srv/${COWSHED_TEST_NOTHING}\"\n");
    check_int(read_conf(o, &error), -EINVAL, "a variable that is not set");
    check_true(strstr(error.text, "a.conf:2: an environment variable that is not set"),
               "%s", error.text);
    options_free(o);
}

static void a_file_can_include_another_from_its_own_folder(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    write_file(path, "slots = 3\ninclude(\"b.conf\")\nroot = x\n");
    write_file(other, "\nindex = main.html\ngc { decay = 1s }\n");
    check_int(read_conf(o, &error), 0, "%s", error.text);
    check_int(o->slots, 3);
    check_str(o->root, "x");
    check_str(source(o, "index"), "b.conf:2");
    check_str(source(o, "gc.decay"), "b.conf:3");
    check_str(source(o, "root"), "a.conf:3");
    options_free(o);
}

static void what_is_wrong_is_told_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *other, *want;
        int err;
    } cases[] = {
        { "slots = 2\nrot = www\n", "",
          "a.conf:2: unknown option 'rot'; did you mean 'root'?", -ENOENT },
        { "gc {\n\n  percnt = 2 }\n", "",
          "a.conf:3: unknown option 'gc.percnt'; did you mean 'gc.percent'?", -ENOENT },
        { "cgi { x = 2 }\n", "", "a.conf:1: unknown option 'cgi'", -ENOENT },
        { "gc { percent = 0 }\n", "",
          "a.conf:1: gc.percent = '0' is out of range; allowed: a number from 1 to "
          "10000",
          -ERANGE },
        { "\nmode = fast\n", "",
          "a.conf:2: mode = 'fast' is not accepted; allowed: naive, ", -EINVAL },
        { "root = a\nslots = 1\nroot = b\n", "",
          "a.conf:3: root is set a second time; the first was at ", -EINVAL },
        { "gc { percent = 1 }\ngc { percent = 2 }\n", "",
          "a.conf:2: gc.percent is set a second time; the first was at ", -EINVAL },
        { "root = a\ninclude(\"b.conf\")\n", "root = b\n",
          "b.conf:1: root is set a second time; the first was at ", -EINVAL },
        { "include(\"b.conf\")\n", "\nrot = b\n",
          "b.conf:2: unknown option 'rot'; did you mean 'root'?", -ENOENT },
        { "include(\"c.conf\")\n", "", "a.conf:1: could not read '", -ENOENT },
        { "include(\".\")\n", "", "a.conf:1: could not read '", -EISDIR },
        { "include(\"b.conf\", \"b.conf\")\n", "",
          "a.conf:1: include wants one file name", -EINVAL },
        { "\ninclude(\"a.conf\")\n", "",
          "a.conf:2: more than 32 files; does one include itself?", -ELOOP },
        { "# c\nroot = \n slots = 3\n", "", "a.conf:3: unexpected token '='", -EINVAL },
        { "root = {a, b}\n", "", "a.conf:1: unexpected token '{'", -EINVAL },
        { "root += a\n", "", "a.conf:1: attempt to append to non-list option",
          -EINVAL },
        { "root = \"a\n", "", "a.conf:1: this quote is not closed", -EINVAL },
        { "# gc\ngc {\n percent = 3\n", "", "a.conf:2: this section is not closed",
          -EINVAL },
        { "\ntls.key = x\n", "",
          "a.conf:2: tls.key is written in a section here: tls { key = ", -EINVAL },
        { "gc = 3\n", "", "a.conf:1: missing opening brace for section 'gc'", -EINVAL },
        { "root = a b\n", "", "a.conf:1: unknown option 'b'", -ENOENT },
        { "listen = *:80\n", "", "a.conf:1: a value with * must stand in", -EINVAL },
        { "# c\n// d\n/* e\n */ rot = 1 # f\n", "", "a.conf:4: unknown option 'rot'",
          -ENOENT },
        { "root =", "", "a.conf:1: premature end of file", -EINVAL },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct options *o = options_new();
        struct option_error error;

        write_file(path, cases[i].text);
        write_file(other, cases[i].other);
        check_int(read_conf(o, &error), cases[i].err, "%s", cases[i].text);
        const char *got = without_folder(error.text);
        check_mem(got, strnlen(got, strlen(cases[i].want)), cases[i].want,
                  strlen(cases[i].want), "%s", cases[i].text);
        options_free(o);

        /* The scanner of libConfuse is global: nothing of the failure may stay in it.
         */
        o = options_new();
        write_file(path, "slots = 7\n");
        check_int(read_conf(o, &error), 0, "after %s: %s", cases[i].text, error.text);
        check_str(source(o, "slots"), "a.conf:1", "after %s", cases[i].text);
        options_free(o);
    }
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct option_error error;

    unlink(path);
    check_int(read_conf(o, &error), -ENOENT);
    check_not_null(strstr(error.text, "could not read the configuration '"));
    check_not_null(strstr(error.text, "a.conf': no such file or directory"));
    check_int(conf_file_read(o, folder, &error), -EISDIR);
    check_int(mkdir(path, 0700), 0);
    check_int(read_conf(o, &error), -EISDIR);
    rmdir(path);
    if (geteuid() != 0) {
        write_file(path, "slots = 1\n");
        check_int(chmod(path, 0), 0);
        check_int(read_conf(o, &error), -EACCES);
    }
    options_free(o);
}

static void what_is_dumped_reads_back_as_the_same(void **state)
{
    (void)state;
    struct options *o = options_new();
    struct options *back = options_new();
    struct option_error error;

    check_int(options_set(o, "root", "a \"b\" \\ ${HOME} $x # {y} ä *", "-o", &error),
              0);
    check_int(options_set(o, "listen", "*:80", "-o", &error), 0);
    check_int(options_set(o, "synthetic.sigma", "0.3", "-o", &error), 0);
    check_int(options_set(o, "gc.max_pause", "1500us", "-o", &error), 0);
    check_int(options_set(o, "mode", "arena", "-o", &error), 0);
    check_int(options_resolve(o, &error), 0);
    FILE *f = fopen(path, "w");
    check_not_null(f);
    options_dump(o, f);
    fclose(f);
    check_int(read_conf(back, &error), 0, "%s", error.text);
    for (size_t i = 0; i < option_count; i++)
        check_true(option_equal(o, back, &option_table[i]), "%s", option_table[i].name);
    options_free(o);
    options_free(back);
}

static char *slurp(FILE *f)
{
    static char text[100000];

    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

/* The file in the tree is its head comment, then what options_help() prints. */
static void the_example_shows_every_option_at_its_default(void **state)
{
    (void)state;
    FILE *printed = tmpfile();
    FILE *kept = fopen("conf/cowshed.conf", "r");
    struct options *o = options_new();
    struct options *defaults = options_new();
    struct option_error error = { "" };

    check_not_null(printed);
    check_not_null(kept, "run from the top of the tree");
    options_help(printed);
    char *want = strdup(slurp(printed));
    const char *below_head = strstr(slurp(kept), "\n\n");
    check_not_null(below_head);
    check_str(below_head + 1, want);
    free(want);

    check_int(conf_file_read(o, "conf/cowshed.conf", &error), 0, "%s", error.text);
    for (size_t i = 0; i < option_count; i++) {
        check_true(option_equal(o, defaults, &option_table[i]), "%s",
                   option_table[i].name);
        check_true(option_table[i].knob == (o->sources[i].where == NULL), "%s",
                   option_table[i].name);
    }
    options_free(o);
    options_free(defaults);
}

TEST_MAIN(test_with(values_are_read_with_sections_and_their_lines, make_folder,
                    remove_folder),
          test_with(a_byte_order_mark_at_the_beginning_is_skipped, make_folder,
                    remove_folder),
          test_with(the_environment_can_be_inserted, make_folder, remove_folder),
          test_with(a_file_can_include_another_from_its_own_folder, make_folder,
                    remove_folder),
          test_with(what_is_wrong_is_told_with_file_and_line, make_folder,
                    remove_folder),
          test_with(a_file_that_cannot_be_read_is_an_error, make_folder, remove_folder),
          test_with(what_is_dumped_reads_back_as_the_same, make_folder, remove_folder),
          test(the_example_shows_every_option_at_its_default))
