/* What the kernel can do: /32 device routes, 256 messages a send, an acknowledgement for the last one only.
 * usage: routes add|del|dump COUNT IFINDEX PROTOCOL     prints the seconds that the work took: by the clock, of the processor
 */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 256
#define FIRST 0x0a800000u /* 10.128.0.0 */

struct route {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr to;
	uint32_t destination;
	struct rtattr out;
	uint32_t interface;
};

static char answer[1 << 18];

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int opened(void)
{
	int one = 1, bytes = 4 << 20, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
	return fd;
}

/* Read answers until the one for message `last`; the number of errors. */
static long answered(int fd, uint32_t last)
{
	long errors = 0;
	for (;;) {
		ssize_t left = recv(fd, answer, sizeof answer, 0);
		if (left < 0)
			fail("recv");
		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			struct nlmsgerr *e = NLMSG_DATA(h);
			errors += e->error != 0;
			if (h->nlmsg_seq == last)
				return errors;
		}
	}
}

static long change(int fd, int add, uint32_t count, uint32_t interface, int protocol)
{
	static struct route batch[BATCH];
	long errors = 0;
	for (uint32_t done = 0; done < count;) {
		uint32_t k = 0;
		for (; k < BATCH && done < count; k++, done++) {
			struct route *r = &batch[k];
			memset(r, 0, sizeof *r);
			r->header.nlmsg_len = sizeof *r;
			r->header.nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
			r->header.nlmsg_flags = NLM_F_REQUEST | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
			r->header.nlmsg_seq = done + 1;
			r->route.rtm_family = AF_INET;
			r->route.rtm_dst_len = 32;
			r->route.rtm_table = RT_TABLE_MAIN;
			r->route.rtm_protocol = protocol;
			r->route.rtm_scope = RT_SCOPE_LINK;
			r->route.rtm_type = RTN_UNICAST;
			r->to = (struct rtattr){ 8, RTA_DST };
			r->destination = htonl(FIRST + done);
			r->out = (struct rtattr){ 8, RTA_OIF };
			r->interface = interface;
		}
		batch[k - 1].header.nlmsg_flags |= NLM_F_ACK;
		if (send(fd, batch, k * sizeof *batch, 0) < 0)
			fail("send");
		errors += answered(fd, done);
	}
	return errors;
}

/* Read all routes of the protocol and look at every attribute of each; the number of routes. */
static long dump(int fd, int protocol, uint64_t *sum)
{
	struct { struct nlmsghdr header; struct rtmsg route; } ask = {
		{ sizeof ask, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 },
		{ .rtm_family = AF_INET, .rtm_protocol = protocol },
	};
	long seen = 0;
	if (send(fd, &ask, sizeof ask, 0) < 0)
		fail("send");
	for (;;) {
		ssize_t left = recv(fd, answer, sizeof answer, 0);
		if (left < 0)
			fail("recv");
		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return seen;
			struct rtmsg *r = NLMSG_DATA(h);
			int length = RTM_PAYLOAD(h);
			for (struct rtattr *a = RTM_RTA(r); RTA_OK(a, length); a = RTA_NEXT(a, length))
				if (a->rta_type == RTA_DST || a->rta_type == RTA_OIF)
					*sum += *(uint32_t *)RTA_DATA(a);
			seen++;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	uint32_t count = atoi(argv[2]), interface = atoi(argv[3]);
	int fd = opened(), protocol = atoi(argv[4]);
	uint64_t sum = 0;
	double began = now(CLOCK_MONOTONIC), worked = now(CLOCK_PROCESS_CPUTIME_ID);
	if (!strcmp(argv[1], "dump")) {
		if (dump(fd, protocol, &sum) != (long)count)
			return fprintf(stderr, "there are not %u routes\n", count), 1;
	} else if (change(fd, !strcmp(argv[1], "add"), count, interface, protocol)) {
		return fprintf(stderr, "the kernel refused some\n"), 1;
	}
	printf("%.9f %.9f\n", now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID) - worked);
	return sum == 1;
}
