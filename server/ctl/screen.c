/* SPDX-License-Identifier: MIT */
/* screen.c - see screen.h. */
#include "server/ctl/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/fd.h"

#define OTHER_SCREEN "\x1b[?1049h\x1b[?25l\x1b[2J"
#define OWN_SCREEN   "\x1b[?25h\x1b[?1049l"
#define HOME         "\x1b[H"
#define END_OF_LINE  "\x1b[K\n"
#define REST_EMPTY   "\x1b[J"

enum { KEY_CTRL_C = 3, KEY_CTRL_D = 4, PAGE_MAX = 1 << 20 };

static struct {
    bool is_in;
    struct termios before;
} screen;

static volatile sig_atomic_t end_signal, resized, stopped;

static void on_signal(int signo)
{
    if (signo == SIGWINCH)
        resized = 1;
    else if (signo == SIGTSTP)
        stopped = 1;
    else
        end_signal = signo;
}

static void hear_signals(void)
{
    static const int heard[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP };
    struct sigaction act = { .sa_handler = on_signal };

    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++)
        sigaction(heard[i], &act, NULL);
}

int screen_enter(void)
{
    struct termios raw;

    hear_signals();
    if (tcgetattr(STDIN_FILENO, &screen.before) < 0)
        return -errno;
    raw = screen.before;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        return -errno;
    screen.is_in = true;
    fd_write_all(STDOUT_FILENO, OTHER_SCREEN, sizeof OTHER_SCREEN - 1);
    return 0;
}

void screen_leave(void)
{
    if (!screen.is_in)
        return;
    screen.is_in = false;
    fd_write_all(STDOUT_FILENO, OWN_SCREEN, sizeof OWN_SCREEN - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

/* What we draw is ASCII: a byte is a column. */
void screen_draw(struct span page)
{
    struct winsize size = { .ws_row = 24, .ws_col = 80 };
    struct buf out;
    unsigned row = 0;

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    buf_init(&out, PAGE_MAX);
    buf_append_str(&out, HOME);
    while (page.n > 0 && row + 1 < size.ws_row) {
        size_t n = span_find(page, '\n');

        buf_append(&out, page.p, n < size.ws_col ? n : size.ws_col);
        buf_append_str(&out, END_OF_LINE);
        page = span_skip(page, n < page.n ? n + 1 : n);
        row++;
    }
    buf_append_str(&out, REST_EMPTY);
    fd_write_all(STDOUT_FILENO, buf_span(&out).p, buf_span(&out).n);
    buf_free(&out);
}

static bool quit_was_typed(void)
{
    char keys[64];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);

    if (n == 0)
        return true; /* the terminal is gone */
    for (ssize_t i = 0; i < n; i++)
        if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == KEY_CTRL_C ||
            keys[i] == KEY_CTRL_D)
            return true;
    return false;
}

/* As if we had not caught it, but with the terminal as it was meanwhile. */
static void stop(void)
{
    bool was_in = screen.is_in;

    stopped = 0;
    screen_leave();
    kill(getpid(), SIGSTOP);
    if (was_in && screen_enter() < 0)
        end_signal = SIGTERM;
}

enum screen_event screen_wait(uint64_t ns)
{
    uint64_t until = clock_ns() + ns, now;

    hear_signals();
    while ((now = clock_ns()) < until) {
        struct pollfd keys = { .fd = screen.is_in ? STDIN_FILENO : -1,
                               .events = POLLIN };
        int ready = poll(&keys, 1, (int)((until - now) / CLOCK_NS_PER_MS) + 1);

        if (end_signal != 0 || (ready > 0 && quit_was_typed()))
            return SCREEN_QUIT;
        if (stopped) {
            stop();
            return SCREEN_RESIZED;
        }
        if (resized) {
            resized = 0;
            return SCREEN_RESIZED;
        }
    }
    return end_signal != 0 ? SCREEN_QUIT : SCREEN_TIME;
}
