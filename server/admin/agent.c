/* SPDX-License-Identifier: MIT */
/* agent.c - see agent.h. */
#include "server/admin/agent.h"

#include <errno.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/admin/patience.h"
#include "server/admin/view.h"
#include "server/shared/region.h"

char *agent_line(char out[AGENT_LINE_MAX], const struct page_source *from)
{
    unsigned ready = view_ready(from->view);
    unsigned wanted = from->region->master.slots_wanted;
    char words[READY_WORDS_MAX];

    switch (page_ready(from, words)) {
    case 0: /* more than are wanted, while they are replaced, are no more weight */
        if (wanted == 0 || ready > wanted)
            wanted = ready;
        snprintf(out, AGENT_LINE_MAX, "up ready %u%%\n", ready * 100 / wanted);
        break;
    case -ESHUTDOWN:
        snprintf(out, AGENT_LINE_MAX, "drain\n");
        break;
    default:
        snprintf(out, AGENT_LINE_MAX, "down #%s\n", words);
    }
    return out;
}

/* A line fits any socket that has just been accepted. What was sent to us is taken out
 * first: to close with it unread would be a reset, which can overtake the line. */
static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *from, int n, void *arg)
{
    const struct agent *a = arg;
    const struct page_source source = a->look(a->arg);
    char line[AGENT_LINE_MAX], rubbish[256];

    (void)listener;
    (void)from;
    (void)n;
    agent_line(line, &source);
    while (recv(fd, rubbish, sizeof rubbish, MSG_DONTWAIT) > 0)
        ;
    (void)!send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

int agent_start(struct agent *a, struct event_base *base, int fd, agent_look_fn *look,
                void *arg)
{
    *a = (struct agent){ .look = look, .arg = arg };
    if (fd < 0)
        return 0;
    a->listener = evconnlistener_new(base, on_accept, a, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    return a->listener == NULL ? -ENOMEM : patience_with(base, a->listener, "agent");
}

void agent_stop(struct agent *a)
{
    patience_end(a->listener);
    if (a->listener != NULL)
        evconnlistener_free(a->listener);
    a->listener = NULL;
}
