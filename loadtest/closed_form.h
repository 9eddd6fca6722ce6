/* SPDX-License-Identifier: MIT */
/* closed_form.h - percentiles that can be worked out, for servers of a known kind under
 * a constant rate. Pure. */
#ifndef LOADTEST_CLOSED_FORM_H
#define LOADTEST_CLOSED_FORM_H

/* A server that stands still for the first `freeze` of `duration`, and then answers at
 * `drain` times the rate (infinity: at once). A request planned t into the freeze is
 * answered freeze - t (1 - 1 / drain) later, and so are those behind the freeze until
 * the backlog is gone: a straight line. So the p-quantile is about freeze - (1 - p)
 * duration (1 - 1 / drain); to the point, it is that of the request of rank ceil(p n),
 * n = rate duration, and the k-th is planned at k / rate, k = 0, 1 and so on. 0 when
 * the line has ended before. All times in one unit, the rate per that unit. */
double closed_freeze(double freeze, double duration, double rate, double drain,
                     double p);

/* One of `every` requests takes `slow`, the others `fast`; every = 0: none does. */
double closed_bimodal(double fast, double slow, unsigned every, double p);

#endif
