/* SPDX-License-Identifier: MIT */
/* stage.c - see stage.h. */
#include "tests/unit/gc/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct stage *stage; /* trace functions get no argument */
static pid_t runner;

__attribute__((constructor)) static void remember_the_runner(void)
{
    runner = getpid();
}

/* In a process that a test has forked no assertion may fail: it ends with 99 instead.
 */
static void must(bool so, const char *what)
{
    if (!so && getpid() != runner)
        _exit(99);
    check_true(so, "%s", what);
}

enum { PATIENCE_S = 60 };

/* Ends what would never end. */
static bool is_late(time_t *since)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    if (*since == 0)
        *since = t.tv_sec;
    sched_yield();
    return t.tv_sec - *since > PATIENCE_S;
}

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int count_blocked(void)
{
    sigset_t set;
    int n = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    for (int s = 1; s < 32; s++)
        n += s != SIGKILL && s != SIGSTOP && sigismember(&set, s) == 1;
    return n;
}

static int own_oom_score_adj(void)
{
    char text[16] = { 0 };
    int fd = open("/proc/self/oom_score_adj", O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 ? atoi(text) : -1;
}

static void act(void)
{
    time_t since = 0;
    stage->pid = getpid();
    if (stage->act == STAGE_LOOK) {
        stage->descriptors = count_fds();
        stage->blocked = count_blocked();
        stage->oom_score_adj = own_oom_score_adj();
    }
    uint64_t mine = ++stage->acts;
    if (stage->act == STAGE_DIE)
        kill(getpid(), SIGKILL);
    if (stage->act == STAGE_STOP)
        kill(getpid(), SIGSTOP);
    while (stage->act == STAGE_HOLD && stage->let_through < mine && !is_late(&since))
        continue;
}

static void trace(const void *obj, struct gc_visitor *v)
{
    if (getpid() != stage->owner && stage->traced++ == stage->at)
        act();
    heap_test_node.trace(obj, v);
}

static const struct gc_type type_on_stage = { .name = "on stage", .trace = trace };

static uint64_t read_clock(void *arg)
{
    struct scene *scene = arg;
    return scene->time_ns += 1000;
}

static void write_down(void *arg, const struct gc_event *event)
{
    struct scene *scene = arg;
    if ((size_t)event->kind < TEST_COUNT(scene->events))
        scene->events[event->kind]++;
}

void scene_open(struct scene *scene, struct gc_config config)
{
    *scene = (struct scene){ .time_ns = 1 };
    scene->stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(scene->stage != MAP_FAILED, "a page that is shared");
    stage = scene->stage;
    stage->owner = getpid();
    stage->at = UINT64_MAX;
    config.schedule = GC_SNAPSHOT;
    config.clock_ns = read_clock;
    config.on_event = write_down;
    config.arg = scene;
    config.verify = true;
    scene->heap = heap_test_new(&config);
    scene->node = gc_type_add(scene->heap, &type_on_stage);
}

void scene_close(struct scene *scene)
{
    stage_release(scene);
    gc_free(scene->heap);
    munmap(scene->stage, sizeof *scene->stage);
    stage = NULL;
}

void stage_play(struct scene *scene, enum stage_act what, uint64_t at)
{
    scene->stage->traced = 0;
    scene->stage->act = what;
    scene->stage->at = at;
}

void stage_release(struct scene *scene)
{
    scene->stage->let_through = scene->stage->acts;
}

void stage_await(struct scene *scene, uint64_t times)
{
    time_t since = 0;
    while (scene->stage->acts < times && !is_late(&since))
        continue;
    must(scene->stage->acts == times, "the child has come to its point");
}

struct gc_stats scene_stats(const struct scene *scene)
{
    struct gc_stats stats;
    gc_get_stats(scene->heap, &stats);
    return stats;
}

void scene_begin_cycle(struct scene *scene)
{
    unsigned begun = scene->events[GC_EVENT_CYCLE_START];
    must(scene_stats(scene).phase == GC_IDLE, "no cycle runs");
    do {
        must(gc_alloc(scene->heap, GC_BYTES, 500), "room before a cycle is due");
        gc_safepoint(scene->heap);
    } while (scene->events[GC_EVENT_CYCLE_START] == begun);
}

void scene_end_cycle(struct scene *scene)
{
    time_t since = 0;
    while ((gc_step(scene->heap, 1000000) || scene_stats(scene).snapshot_processes) &&
           !is_late(&since))
        continue;
    must(scene_stats(scene).phase == GC_IDLE, "the cycle ends");
    must(scene_stats(scene).snapshot_processes == 0, "its child ends");
}

void scene_push(struct scene *scene, int n)
{
    while (n--)
        must(heap_test_push(scene->heap, scene->node, 40), "room for a node");
}

int scene_length(const struct scene *scene)
{
    int n = 0;
    for (const struct heap_test_node *at = gc_root(scene->heap); at; at = at->next)
        n++;
    return n;
}

int scene_zombies(void)
{
    int n = 0;
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
        n++;
    return n;
}

int scene_descriptors(void)
{
    return count_fds();
}

int scene_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    int c, n = 0;
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}
