/* SPDX-License-Identifier: MIT */
/* screen.h - the terminal for a program that draws a page again and again.
 *
 *   1 entered   screen_enter()   the other screen, no echo, keys come one by one
 *   2 drawn     screen_draw()    a page, cut to the size that the terminal has now
 *   3 left      screen_leave()   everything as before; also while we are stopped
 *
 * Signals only set a flag that screen_wait() looks at, so that whoever ends us ends us
 * with the terminal as it was.
 */
#ifndef COWSHED_CTL_SCREEN_H
#define COWSHED_CTL_SCREEN_H

#include <stdint.h>

#include "server/base/span.h"

/* Standard input and output are terminals. 0 or a negative errno. */
int screen_enter(void);
void screen_leave(void);
/* Lines, each with its end. */
void screen_draw(struct span page);

enum screen_event { SCREEN_TIME, SCREEN_QUIT, SCREEN_RESIZED };
/* Until the time is over, or something else is to be done. Works without a terminal
 * too: then there are signals alone. */
enum screen_event screen_wait(uint64_t ns);

#endif
