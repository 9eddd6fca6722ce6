/* SPDX-License-Identifier: MIT */
/* signals.h - the signals that the master acts upon, and when it hears of them.
 *
 *   1 held    signals_hold()  from the first line of main(): what comes waits
 *   2 heard   signals_let()   the loop has a handler for each: what waited comes now
 *   3 held    signals_hold()  the loop has ended: nothing may end the process half-way
 *
 * So a TERM never meets its default action, which would leave a pid file behind and an
 * exit code that looks like a crash. What comes before main() is not ours to hold.
 */
#ifndef COWSHED_MASTER_SIGNALS_H
#define COWSHED_MASTER_SIGNALS_H

#include <stdbool.h>

enum { SIGNALS_HEARD = 10 };

extern const int signals_heard[SIGNALS_HEARD];

void signals_hold(void);
/* Also when whoever started us had them blocked: they must reach us. */
void signals_let(void);
/* While they are held: one that ends the master waits. */
bool signals_ask_to_end(void);

#endif
