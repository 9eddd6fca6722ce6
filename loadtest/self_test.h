/* SPDX-License-Identifier: MIT */
/* self_test.h - `cowload self-test`: does it measure what is known to be so? */
#ifndef LOADTEST_SELF_TEST_H
#define LOADTEST_SELF_TEST_H

/* 0: every figure is within 1 %; 1: one is not, or it could not be measured; 3: the
 * machine was too busy to tell. */
int self_test_main(int argc, char **argv);

#endif
