/* SPDX-License-Identifier: MIT */
/* enums.h - the values of every enumerated option, each with its spelling.
 *
 * 0 is "not set by the user" in each of them: the mode decides (modes.def).
 */
#ifndef COWSHED_CONF_ENUMS_H
#define COWSHED_CONF_ENUMS_H

#define ENUM_CONSTANT(constant, spelling) constant,

#define MODE_VALUES(V) V(MODE_NAIVE, "naive") V(MODE_PRETOUCH, "pretouch") \
    V(MODE_THROTTLE, "throttle") V(MODE_ARENA, "arena") V(MODE_THREADS, "threads") \
    V(MODE_SHARED, "shared")
enum opt_mode { MODE_UNSET, MODE_VALUES(ENUM_CONSTANT) };

#define ORIGIN_VALUES(V) V(ORIGIN_FILE, "file") V(ORIGIN_SYNTHETIC, "synthetic")
enum opt_origin { ORIGIN_UNSET, ORIGIN_VALUES(ENUM_CONSTANT) };

#define LOGLEVEL_VALUES(V) V(LOGLEVEL_DEBUG, "debug") V(LOGLEVEL_INFO, "info") \
    V(LOGLEVEL_WARN, "warn") V(LOGLEVEL_ERR, "err")
enum opt_loglevel { LOGLEVEL_UNSET, LOGLEVEL_VALUES(ENUM_CONSTANT) };

#define RECENCY_VALUES(V) V(RECENCY_INLINE, "inline") V(RECENCY_SIDE, "side")
enum opt_recency { RECENCY_UNSET, RECENCY_VALUES(ENUM_CONSTANT) };

#define INDEX_VALUES(V) V(INDEX_TABLE, "table") V(INDEX_HAMT, "hamt")
enum opt_index { INDEX_UNSET, INDEX_VALUES(ENUM_CONSTANT) };

#define SLOTS_AS_VALUES(V) V(SLOTS_PROCESSES, "processes") \
    V(SLOTS_THREADS, "threads")
enum opt_slots_as { SLOTS_AS_UNSET, SLOTS_AS_VALUES(ENUM_CONSTANT) };

#define HEAP_VALUES(V) V(HEAP_PRIVATE, "private") V(HEAP_SHARED, "shared")
enum opt_heap { HEAP_UNSET, HEAP_VALUES(ENUM_CONSTANT) };

#define AFTER_FORK_VALUES(V) V(AFTER_FORK_INHERIT, "inherit") \
    V(AFTER_FORK_ARENA, "arena")
enum opt_after_fork { AFTER_FORK_UNSET, AFTER_FORK_VALUES(ENUM_CONSTANT) };

#define PRETOUCH_VALUES(V) V(PRETOUCH_OFF, "off") V(PRETOUCH_PARENT, "parent") \
    V(PRETOUCH_CHILD, "child") V(PRETOUCH_MAP, "map")
enum opt_pretouch { PRETOUCH_UNSET, PRETOUCH_VALUES(ENUM_CONSTANT) };

#define MARKS_VALUES(V) V(MARKS_HEADER, "header") V(MARKS_SIDE, "side")
enum opt_marks { MARKS_UNSET, MARKS_VALUES(ENUM_CONSTANT) };

#define REUSE_VALUES(V) V(REUSE_ANY, "any") V(REUSE_PAGE, "page") \
    V(REUSE_NONE, "none")
enum opt_reuse { REUSE_UNSET, REUSE_VALUES(ENUM_CONSTANT) };

#define SCHEDULE_VALUES(V) V(SCHEDULE_STW, "stw") \
    V(SCHEDULE_INCREMENTAL, "incremental") V(SCHEDULE_SNAPSHOT, "snapshot")
enum opt_schedule { SCHEDULE_UNSET, SCHEDULE_VALUES(ENUM_CONSTANT) };

#define THP_VALUES(V) V(THP_DEFAULT, "default") V(THP_NEVER, "never") \
    V(THP_ALWAYS, "always")
enum opt_thp { THP_UNSET, THP_VALUES(ENUM_CONSTANT) };

#define LOGFORMAT_VALUES(V) V(LOGFORMAT_COMBINED, "combined") V(LOGFORMAT_JSON, "json")
enum opt_logformat { LOGFORMAT_UNSET, LOGFORMAT_VALUES(ENUM_CONSTANT) };

#define TLS_VALUES(V) V(TLS_1_2, "1.2") V(TLS_1_3, "1.3")
enum opt_tls { TLS_UNSET, TLS_VALUES(ENUM_CONSTANT) };

#define FALLBACK_VALUES(V) V(FALLBACK_NONE, "none") V(FALLBACK_THREADS, "threads")
enum opt_fallback { FALLBACK_UNSET, FALLBACK_VALUES(ENUM_CONSTANT) };

#define FILTER_VALUES(V) V(FILTER_OFF, "off") V(FILTER_ERRNO, "errno") \
    V(FILTER_KILL, "kill")
enum opt_filter { FILTER_UNSET, FILTER_VALUES(ENUM_CONSTANT) };

/* ENUMS(E): all of them, as E(name, NAME_VALUES). */
#define ENUMS(E) \
    E(mode, MODE_VALUES) \
    E(origin, ORIGIN_VALUES) \
    E(loglevel, LOGLEVEL_VALUES) \
    E(recency, RECENCY_VALUES) \
    E(index, INDEX_VALUES) \
    E(slots_as, SLOTS_AS_VALUES) \
    E(heap, HEAP_VALUES) \
    E(after_fork, AFTER_FORK_VALUES) \
    E(pretouch, PRETOUCH_VALUES) \
    E(marks, MARKS_VALUES) \
    E(reuse, REUSE_VALUES) \
    E(schedule, SCHEDULE_VALUES) \
    E(thp, THP_VALUES) \
    E(fallback, FALLBACK_VALUES) \
    E(filter, FILTER_VALUES) \
    E(tls, TLS_VALUES) \
    E(logformat, LOGFORMAT_VALUES)

#endif
