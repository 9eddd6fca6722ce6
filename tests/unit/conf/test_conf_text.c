/* SPDX-License-Identifier: MIT */
#include "server/conf/conf_text.h"

#include <errno.h>

#include "tests/test.h"

static void comments_become_blanks_and_lines_stay(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "a = 1 # x\nb", "a = 1    \nb" },
        { "#", " " },
        { "a // x", "a     " },
        { "a /* x\ny */ b", "a     \n     b" },
        { "/***/b", "     b" },
        { "a/b", "a/b" },
        { "a = \"# // /* x\"", "a = \"# // /* x\"" },
        { "a = '#'#", "a = '#' " },
        { "a = \"\\\"#\" #", "a = \"\\\"#\"  " },
        { "a = ${B:-#} #", "a = ${B:-#}  " },
        { "a = \"${B:-}\"#", "a = \"${B:-}\" " },
        { "a = '${B}' #", "a = '${B}'  " },
        { "a = \"\\${B}\" #", "a = \"\\${B}\"  " },
        { "g { x = 1 } # {", "g { x = 1 }    " },
        { "# \"quote\n#'", "        \n  " },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[64];
        unsigned line = 0;
        const char *why = "";

        strcpy(text, cases[i].text);
        check_int(conf_text_clean(text, strlen(text), &line, &why), 0, "%s: %s",
                  cases[i].text, why);
        check_str(text, cases[i].want);
    }
}

#define NOT_SET "an environment variable that is not set (${NAME:-x} would be x then)"

static void what_is_left_open_is_told_with_the_line_where_it_began(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n; /* 0: up to the zero */
        unsigned line;
        const char *why;
    } cases[] = {
        { "a\ng {\n x = 1\n\n", 0, 2, "this section is not closed" },
        { "g {\n h {", 0, 2, "a section cannot begin inside a section" },
        { "g { }\n}", 0, 2, "no section is open that this } could close" },
        { "\na = \"x\ny\n", 0, 2, "this quote is not closed" },
        { "a = 'x\\'", 0, 1, "this quote is not closed" },
        { "a = \"x\\", 0, 1, "this quote is not closed" },
        { "\n/* x *\n/", 0, 2, "this comment is not closed" },
        { "/*/", 0, 1, "this comment is not closed" },
        { "/*", 0, 1, "this comment is not closed" },
        { "a = ${X\n", 0, 1, "this ${ is not closed" },
        { "a = \"${X\"\n", 0, 1, "this ${ is not closed" },
        { "\na = ${X}", 0, 2, NOT_SET },
        { "\na = \"x/${X}/y\"", 0, 2, NOT_SET },
        { "a = \"${}\"", 0, 1, NOT_SET },
        { "a\nb = *:80", 0, 2, "a value with * must stand in double quotes" },
        { "a\0b", 3, 1, "there is a zero byte" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[64] = "";
        size_t n = cases[i].n != 0 ? cases[i].n : strlen(cases[i].text);
        unsigned line = 0;
        const char *why = "";

        memcpy(text, cases[i].text, n);
        check_int(conf_text_clean(text, n, &line, &why), -EINVAL, "%s", cases[i].text);
        check_str(why, cases[i].why);
        check_uint(line, cases[i].line, "%s", cases[i].text);
    }
}

TEST_MAIN(test(comments_become_blanks_and_lines_stay),
          test(what_is_left_open_is_told_with_the_line_where_it_began))
