/* SPDX-License-Identifier: MIT */
/* serve.h - `cowload serve`: the server of known latency, for any generator. */
#ifndef LOADTEST_SERVE_H
#define LOADTEST_SERVE_H

/* Returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not serve. */
int serve_main(int argc, char **argv);

#endif
