/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbered packets that can be told from others and checked, for the classic programs of this folder.
 * They know netmap's own headers and nothing else, and end by themselves: by an alarm, if need be.
 */
#ifndef CLASSIC_PACKET_H
#define CLASSIC_PACKET_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKET_MIN  60u
#define PACKET_MAX  1514u
#define PACKETS_MAX 1000000u
#define LIFE_S      30u /* of a program whose packets do not come */

/* An ethertype for experiments, so that a real link carries it and nobody answers. */
static const unsigned char packet_header[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

/** All lengths between the least and the most, in an order that does not repeat soon. */
static inline unsigned packet_len(uint32_t number)
{
	return PACKET_MIN + number * 389u % (PACKET_MAX - PACKET_MIN + 1);
}

static inline void packet_make(unsigned char *data, uint32_t number)
{
	unsigned len = packet_len(number);

	memcpy(data, packet_header, sizeof packet_header);
	memcpy(data + sizeof packet_header, &number, sizeof number);
	for (unsigned i = sizeof packet_header + sizeof number; i < len; i++)
		data[i] = (unsigned char)(number * 7 + i);
}

/** What came: each number counts once. */
struct packets {
	unsigned long got, bytes, wanted;
	unsigned char *seen;
};

static inline struct packets packets_expect(unsigned long wanted)
{
	struct packets packets = {.wanted = wanted, .seen = calloc(PACKETS_MAX, 1)};

	if (!packets.seen || wanted > PACKETS_MAX)
		exit(2);
	return packets;
}

static inline void packets_wrong(const char *why, uint32_t number, unsigned len)
{
	fprintf(stderr, "packet %u of %u bytes: %s\n", number, len, why);
	exit(1);
}

/** Check one packet and count it; others than ours are passed over. */
static inline void packets_take(struct packets *packets, const unsigned char *data, unsigned len)
{
	uint32_t number;

	if (len < PACKET_MIN || memcmp(data, packet_header, sizeof packet_header) != 0)
		return;
	memcpy(&number, data + sizeof packet_header, sizeof number);
	if (number >= PACKETS_MAX || len != packet_len(number))
		packets_wrong("its length is not the one it left with", number, len);
	for (unsigned i = sizeof packet_header + sizeof number; i < len; i++)
		if (data[i] != (unsigned char)(number * 7 + i))
			packets_wrong("its content has changed", number, len);
	if (packets->seen[number])
		packets_wrong("it came twice", number, len);
	packets->seen[number] = 1;
	packets->got++;
	packets->bytes += len;
}

static inline int packets_all(const struct packets *packets)
{
	return packets->got >= packets->wanted;
}

/** The last line of a program: the test compares it. */
static inline void packets_report(unsigned long packets, unsigned long bytes)
{
	printf("%lu packets %lu bytes\n", packets, bytes);
}

/** What a program was told to receive or send; its life ends with the alarm. */
static inline unsigned long packets_argument(const char *text)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (n == 0 || n > PACKETS_MAX) {
		fprintf(stderr, "a number of packets from 1 to %u, please\n", PACKETS_MAX);
		exit(2);
	}
	alarm(LIFE_S);
	return n;
}

/** A receiver is bound: from now on nothing that is sent to it is lost. */
static inline void packets_ready(void)
{
	puts("ready");
	fflush(stdout);
}

#endif
