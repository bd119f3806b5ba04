/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets for the host, as if they had come in by an interface: the host TX ring. Here they are UDP
 * datagrams for an address that the host has on it; a socket, as any program has one, receives them.
 */
#include <err.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pktloom.h>

#include "answer.h"
#include "common.h"

#define TIMEOUT_S 5
#define IP_HEADER 20

struct datagram {
	struct ether_header ethernet;
	uint8_t ip[IP_HEADER];
	struct udphdr udp;
	uint64_t number;
} __attribute__((packed));

static int socket_open(struct sockaddr_in *own)
{
	const struct timeval patience = {.tv_sec = TIMEOUT_S};
	socklen_t size = sizeof *own;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)own, size) != 0 ||
	    getsockname(fd, (struct sockaddr *)own, &size) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
		err(1, "no socket at that address");
	return fd;
}

/* To the broadcast address, so that the interface's own need not be known. UDP does without a checksum. */
static void datagram_make(
    struct datagram *d, struct in_addr from, const struct sockaddr_in *to, uint64_t number)
{
	uint8_t ip[IP_HEADER] = {[0] = 0x45, /* version 4, five words */
	    [3] = sizeof *d - sizeof d->ethernet,
	    [8] = 64, /* time to live */
	    [9] = IPPROTO_UDP};
	uint16_t sum;

	memcpy(ip + 12, &from, sizeof from);
	memcpy(ip + 16, &to->sin_addr, sizeof to->sin_addr);
	sum = inet_checksum(ip, sizeof ip);
	memcpy(ip + 10, &sum, sizeof sum);
	*d = (struct datagram){
	    .ethernet = {.ether_shost = {2, 0, 0, 0, 0, 1}, .ether_type = htons(ETHERTYPE_IP)},
	    .udp = {.uh_sport = htons(9),
		.uh_dport = to->sin_port,
		.uh_ulen = htons(sizeof d->udp + sizeof d->number)},
	    .number = number};
	memset(d->ethernet.ether_dhost, 0xff, ETH_ALEN);
	memcpy(d->ip, ip, sizeof ip);
}

static void give(struct loom_port *port, const struct loom_txring *tx, const struct datagram *d)
{
	while (loom_send(tx, d, sizeof *d) == 0)
		if (loom_port_wait(port, LOOM_TX, TIMEOUT_S * 1000) <= 0)
			errx(1, "the host takes nothing: %s", loom_error());
	if (loom_tx_sync(tx) < 0)
		errx(1, "%s", loom_error());
}

int main(int argc, char **argv)
{
	const char *name = "", *ip = "10.9.0.1", *from = "10.9.0.2";
	uint64_t count = 10, got;
	const struct arg args[] = {
	    {"ip", "address that the host has on it", .text = &ip},
	    {"from", "address to come from, of the same network", .text = &from},
	    {"count", "datagrams", .number = &count, .min = 1},
	    {"INTERFACE", "for example netmap:veth0", .text = &name},
	    {0},
	};
	struct sockaddr_in own = {.sin_family = AF_INET};
	struct in_addr sender;
	struct loom_port *port;
	struct loom_txring tx;
	struct datagram d;
	char host[128];
	int fd;

	args_parse(argc, argv, "Gives datagrams to the host, one by one.", args);
	if (inet_pton(AF_INET, ip, &own.sin_addr) != 1 || inet_pton(AF_INET, from, &sender) != 1)
		errx(2, "%s, %s: not two IPv4 addresses", ip, from);
	fd = socket_open(&own);
	snprintf(host, sizeof host, "%s^/T", name);
	/* Host rings are numbered behind the interface's own. */
	if (loom_open(host, NULL, &port) < 0 || loom_tx(port, loom_tx_rings(port), &tx) < 0)
		errx(1, "%s", loom_error());
	for (uint64_t i = 0; i < count; i++) {
		datagram_make(&d, sender, &own, i);
		give(port, &tx, &d);
		if (recv(fd, &got, sizeof got, 0) != sizeof got || got != i)
			errx(1, "datagram %" PRIu64 " has not come to the socket", i);
	}
	printf("the host got %" PRIu64 " datagrams\n", count);
	loom_close(port);
	close(fd);
	return 0;
}
