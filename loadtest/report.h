/* SPDX-License-Identifier: MIT */
/* report.h - interval logs of any tool, looked at and added up. */
#ifndef LOADTEST_REPORT_H
#define LOADTEST_REPORT_H

/* `cowload report FILE...` and `cowload merge -o OUT FILE...`; the exit code. */
int report_main(int argc, char **argv);
int merge_main(int argc, char **argv);

#endif
