/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other side of the responder, for ports that no kernel is behind: asks by ARP, pings, sends
 * what must not be answered, and checks every byte that comes back.
 */
#include <err.h>

#include <pktloom.h>

#include "answer.h"
#include "common.h"

#define TIMEOUT_MS 5000
#define TTL_ASKED  7
#define ECHO_MAX   1400

struct peer {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct identity self, other;
};

struct echo {
	uint8_t bytes[ETH_HLEN + sizeof(struct ip) + sizeof(struct icmphdr) + ECHO_MAX];
	size_t len;
};

static void send_frame(struct peer *peer, const void *data, size_t len)
{
	if (loom_send(&peer->tx, data, len) != 1 || loom_tx_sync(&peer->tx) < 0)
		errx(1, "cannot send: %s", loom_error());
}

static struct loom_frame receive_frame(struct peer *peer)
{
	struct loom_frame frame;

	while (loom_recv(&peer->rx, &frame) == 0)
		if (loom_port_wait(peer->port, LOOM_RX, TIMEOUT_MS) <= 0)
			errx(1, "no answer within %d s", TIMEOUT_MS / 1000);
	return frame;
}

static void ethernet_set(uint8_t *frame, const struct peer *peer, uint16_t type)
{
	struct ether_header ethernet = {.ether_type = htons(type)};

	memcpy(ethernet.ether_dhost, peer->other.mac, ETH_ALEN);
	memcpy(ethernet.ether_shost, peer->self.mac, ETH_ALEN);
	memcpy(frame, &ethernet, sizeof ethernet);
}

static void ask_who_has(struct peer *peer, struct in_addr target)
{
	struct ether_arp arp = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
				    .ar_pro = htons(ETHERTYPE_IP),
				    .ar_hln = ETH_ALEN,
				    .ar_pln = sizeof target,
				    .ar_op = htons(ARPOP_REQUEST)}};
	uint8_t bytes[ETH_HLEN + sizeof arp];

	memset(peer->other.mac, 0xff, ETH_ALEN);
	ethernet_set(bytes, peer, ETHERTYPE_ARP);
	memcpy(arp.arp_sha, peer->self.mac, ETH_ALEN);
	memcpy(arp.arp_spa, &peer->self.ip, sizeof peer->self.ip);
	memcpy(arp.arp_tpa, &target, sizeof target);
	memcpy(bytes + ETH_HLEN, &arp, sizeof arp);
	send_frame(peer, bytes, sizeof bytes);
}

/* Find out where to send, as a host does that knows nobody; nobody has the first address. */
static void resolve(struct peer *peer)
{
	const struct in_addr nobody = {.s_addr = ~peer->other.ip.s_addr};
	struct loom_frame frame;
	struct ether_arp arp;

	ask_who_has(peer, nobody);
	ask_who_has(peer, peer->other.ip);
	frame = receive_frame(peer);
	if (frame.len != ETH_HLEN + sizeof arp)
		errx(1, "the ARP answer has %u bytes, expected %zu", frame.len,
		    ETH_HLEN + sizeof arp);
	memcpy(&arp, frame.data + ETH_HLEN, sizeof arp);
	if (arp.arp_op != htons(ARPOP_REPLY) ||
	    memcmp(arp.arp_spa, &peer->other.ip, sizeof peer->other.ip) != 0 ||
	    memcmp(arp.arp_tpa, &peer->self.ip, sizeof peer->self.ip) != 0 ||
	    memcmp(arp.arp_tha, peer->self.mac, ETH_ALEN) != 0 ||
	    memcmp(frame.data, peer->self.mac, ETH_ALEN) != 0 ||
	    memcmp(frame.data + ETH_ALEN, arp.arp_sha, ETH_ALEN) != 0)
		errx(1, "the ARP answer is wrong");
	memcpy(peer->other.mac, arp.arp_sha, ETH_ALEN);
}

static void echo_set(struct echo *echo, const struct peer *peer, uint16_t number, size_t payload)
{
	uint8_t *header = echo->bytes + ETH_HLEN, *message = header + sizeof(struct ip);
	struct icmphdr icmp = {.type = ICMP_ECHO, .un.echo.sequence = htons(number)};
	struct ip ip = {.ip_v = IPVERSION,
	    .ip_hl = sizeof ip / 4,
	    .ip_len = htons((uint16_t)(sizeof ip + sizeof icmp + payload)),
	    .ip_off = htons(IP_DF),
	    .ip_ttl = TTL_ASKED,
	    .ip_p = IPPROTO_ICMP,
	    .ip_src = peer->self.ip,
	    .ip_dst = peer->other.ip};

	echo->len = ETH_HLEN + sizeof ip + sizeof icmp + payload;
	ethernet_set(echo->bytes, peer, ETHERTYPE_IP);
	memcpy(header, &ip, sizeof ip);
	ip.ip_sum = inet_checksum(header, sizeof ip);
	memcpy(header, &ip, sizeof ip);
	payload_fill(message + sizeof icmp, payload, number);
	memcpy(message, &icmp, sizeof icmp);
	icmp.checksum = inet_checksum(message, sizeof icmp + payload);
	memcpy(message, &icmp, sizeof icmp);
}

static void check_echo(struct peer *peer, const struct echo *asked, uint16_t number)
{
	struct loom_frame frame = receive_frame(peer);
	const uint8_t *header = frame.data + ETH_HLEN, *message = header + sizeof(struct ip);
	size_t message_len = asked->len - ETH_HLEN - sizeof(struct ip);
	struct icmphdr icmp;
	struct ip ip;

	if (frame.len != asked->len)
		errx(1, "answer %u has %u bytes, expected %zu", number, frame.len, asked->len);
	memcpy(&ip, header, sizeof ip);
	memcpy(&icmp, message, sizeof icmp);
	if (inet_checksum(header, sizeof ip) != 0 || inet_checksum(message, message_len) != 0)
		errx(1, "answer %u has a wrong checksum", number);
	if (ip.ip_src.s_addr != peer->other.ip.s_addr || ip.ip_dst.s_addr != peer->self.ip.s_addr ||
	    ip.ip_ttl <= TTL_ASKED || memcmp(frame.data, peer->self.mac, ETH_ALEN) != 0 ||
	    memcmp(frame.data + ETH_ALEN, peer->other.mac, ETH_ALEN) != 0)
		errx(1, "answer %u goes from or to the wrong address", number);
	if (icmp.type != ICMP_ECHOREPLY || icmp.un.echo.sequence != htons(number) ||
	    !payload_is(message + sizeof icmp, message_len - sizeof icmp, number))
		errx(1, "answer %u is not to what was asked", number);
}

/* Questions with one thing wrong; each would be answered if the responder did not look there. */
static const struct fault {
	size_t at;    /* from the frame's first byte */
	uint8_t flip; /* these bits of it */
	bool fix_sum; /* make the IP header's checksum right again */
	uint8_t cut;  /* leave away so many bytes at the end */
} faults[] = {
    {.at = 12, .flip = 0x89},                             /* another protocol: 0x8100, VLAN */
    {.at = ETH_HLEN, .flip = 0x20, .fix_sum = true},      /* IP version 6 */
    {.at = ETH_HLEN, .flip = 0x0a, .fix_sum = true},      /* a header longer than the packet */
    {.at = ETH_HLEN + 6, .flip = 0x20, .fix_sum = true},  /* more fragments follow */
    {.at = ETH_HLEN + 7, .flip = 0x01, .fix_sum = true},  /* not the first fragment */
    {.at = ETH_HLEN + 8, .flip = 0x01},                   /* the header's checksum */
    {.at = ETH_HLEN + 9, .flip = 0x10, .fix_sum = true},  /* UDP */
    {.at = ETH_HLEN + 19, .flip = 0x80, .fix_sum = true}, /* somebody else's address */
    {.at = ETH_HLEN + 20, .flip = ICMP_ECHO},             /* an answer, not a question */
    {.at = ETH_HLEN + 22, .flip = 0x01},                  /* the message's checksum */
    {.cut = 1},                                           /* the last byte is missing */
    {.cut = 20},                                          /* half an IP header */
};

#define FAULTS (sizeof faults / sizeof faults[0])

static void send_faulty(struct peer *peer, const struct fault *fault)
{
	struct echo echo = {.len = 0};
	uint8_t *header = echo.bytes + ETH_HLEN;
	struct ip ip;

	echo_set(&echo, peer, UINT16_MAX, 0);
	echo.bytes[fault->at] ^= fault->flip;
	if (fault->fix_sum) {
		memcpy(&ip, header, sizeof ip);
		ip.ip_sum = 0;
		memcpy(header, &ip, sizeof ip);
		ip.ip_sum = inet_checksum(header, (size_t)ip.ip_hl * 4);
		memcpy(header, &ip, sizeof ip);
	}
	send_frame(peer, echo.bytes, echo.len - fault->cut);
}

int main(int argc, char **argv)
{
	const char *name = NULL, *own = "10.9.0.1", *other = "10.9.0.2";
	uint64_t count = 1000;
	const struct arg args[] = {
	    {"ip", "the responder's address", .text = &other},
	    {"own-ip", "the address to ask from", .text = &own},
	    {"count", "pings that must be answered", .number = &count, .min = 1, .max = 60000},
	    {"PORT", "for example pipe{lan}, when the responder has it, too", .text = &name},
	    {0},
	};
	struct in_addr address;
	struct peer peer = {0};
	struct echo echo = {.len = 0};

	args_parse(argc, argv, "Asks a responder, and checks its answers.", args);
	if (inet_pton(AF_INET, own, &address) != 1 ||
	    inet_pton(AF_INET, other, &peer.other.ip) != 1)
		errx(2, "--ip and --own-ip take IPv4 addresses");
	identity_set(&peer.self, address);
	if (loom_open(name, NULL, &peer.port) < 0 || loom_tx(peer.port, 0, &peer.tx) < 0 ||
	    loom_rx(peer.port, 0, &peer.rx) < 0)
		errx(1, "%s", loom_error());
	resolve(&peer);
	/* Order is kept: an answer to a faulty question would arrive instead of the next one's. */
	for (unsigned i = 0; i < count; i++) {
		send_faulty(&peer, &faults[i % FAULTS]);
		echo_set(&echo, &peer, (uint16_t)i, i * 7u % (ECHO_MAX + 1));
		send_frame(&peer, echo.bytes, echo.len);
		check_echo(&peer, &echo, (uint16_t)i);
	}
	loom_close(peer.port);
	printf("1 ARP and %" PRIu64
	       " echo answers, all right; as many faulty questions, none answered\n",
	    count);
	return 0;
}
