/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol half of the responder: turns an ARP request or an ICMP echo request into its answer,
 * in place. The bytes may change under us (another process may share them): headers are copied
 * out, checked and used as copies.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What became of a frame; those before ANSWERS are to be sent back. */
enum answer {
	ANSWER_ARP,
	ANSWER_ECHO,
	ANSWERS,
	IGNORE_PROTOCOL = ANSWERS,
	IGNORE_ADDRESS,
	IGNORE_MALFORMED,
	IGNORE_FRAGMENT,
	IGNORE_CHECKSUM,
	IGNORE_SLOTS,
	ANSWER_KINDS
};

static inline const char *answer_name(enum answer answer)
{
	static const char *const names[ANSWER_KINDS] = {
	    [ANSWER_ARP] = "arp",
	    [ANSWER_ECHO] = "echo",
	    [IGNORE_PROTOCOL] = "other-protocol",
	    [IGNORE_ADDRESS] = "other-address",
	    [IGNORE_MALFORMED] = "malformed",
	    [IGNORE_FRAGMENT] = "ip-fragment",
	    [IGNORE_CHECKSUM] = "bad-checksum",
	    [IGNORE_SLOTS] = "several-slots",
	};

	return names[answer];
}

struct identity {
	struct in_addr ip;
	uint8_t mac[ETH_ALEN];
};

/* A locally administered address made from the IP address: no interface has it. */
static inline void identity_set(struct identity *self, struct in_addr ip)
{
	self->ip = ip;
	self->mac[0] = 0x02;
	self->mac[1] = 0x70;
	memcpy(&self->mac[2], &ip, sizeof ip);
}

/* The Internet checksum as it stands in a header; 0 over data that carries a right one. */
static inline uint16_t inet_checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static inline void answer_ethernet(uint8_t *frame, const struct identity *self)
{
	memcpy(frame, frame + ETH_ALEN, ETH_ALEN);
	memcpy(frame + ETH_ALEN, self->mac, ETH_ALEN);
}

static inline enum answer answer_arp(uint8_t *frame, size_t len, const struct identity *self)
{
	struct ether_arp arp;

	if (len < ETH_HLEN + sizeof arp)
		return IGNORE_MALFORMED;
	memcpy(&arp, frame + ETH_HLEN, sizeof arp);
	if (arp.arp_hrd != htons(ARPHRD_ETHER) || arp.arp_pro != htons(ETHERTYPE_IP) ||
	    arp.arp_hln != ETH_ALEN || arp.arp_pln != sizeof self->ip ||
	    arp.arp_op != htons(ARPOP_REQUEST))
		return IGNORE_PROTOCOL;
	if (memcmp(arp.arp_tpa, &self->ip, sizeof self->ip) != 0)
		return IGNORE_ADDRESS;
	arp.arp_op = htons(ARPOP_REPLY);
	memcpy(arp.arp_tha, arp.arp_sha, sizeof arp.arp_tha);
	memcpy(arp.arp_tpa, arp.arp_spa, sizeof arp.arp_tpa);
	memcpy(arp.arp_sha, self->mac, sizeof arp.arp_sha);
	memcpy(arp.arp_spa, &self->ip, sizeof arp.arp_spa);
	memcpy(frame + ETH_HLEN, &arp, sizeof arp);
	answer_ethernet(frame, self);
	return ANSWER_ARP;
}

/* The echo message of len bytes inside an IP packet that has been checked. */
static inline enum answer answer_icmp(uint8_t *message, size_t len)
{
	struct icmphdr icmp;

	if (len < sizeof icmp)
		return IGNORE_MALFORMED;
	memcpy(&icmp, message, sizeof icmp);
	if (icmp.type != ICMP_ECHO || icmp.code != 0)
		return IGNORE_PROTOCOL;
	if (inet_checksum(message, len) != 0)
		return IGNORE_CHECKSUM;
	icmp.type = ICMP_ECHOREPLY;
	icmp.checksum = 0;
	memcpy(message, &icmp, sizeof icmp);
	icmp.checksum = inet_checksum(message, len);
	memcpy(message, &icmp, sizeof icmp);
	return ANSWER_ECHO;
}

/* Source and destination change places, which leaves the sum as it is; the lifetime is new. */
static inline void answer_ip_header(uint8_t *header, struct ip ip, size_t header_len)
{
	struct in_addr source = ip.ip_src;

	ip.ip_src = ip.ip_dst;
	ip.ip_dst = source;
	ip.ip_ttl = IPDEFTTL;
	ip.ip_sum = 0;
	memcpy(header, &ip, sizeof ip);
	ip.ip_sum = inet_checksum(header, header_len);
	memcpy(header, &ip, sizeof ip);
}

static inline enum answer answer_ip(uint8_t *frame, size_t len, const struct identity *self)
{
	uint8_t *header = frame + ETH_HLEN;
	size_t header_len, total;
	enum answer answer;
	struct ip ip;

	if (len < ETH_HLEN + sizeof ip)
		return IGNORE_MALFORMED;
	memcpy(&ip, header, sizeof ip);
	header_len = (size_t)ip.ip_hl * 4;
	total = ntohs(ip.ip_len);
	if (ip.ip_v != IPVERSION || header_len < sizeof ip || header_len > total ||
	    total > len - ETH_HLEN)
		return IGNORE_MALFORMED;
	if (inet_checksum(header, header_len) != 0)
		return IGNORE_CHECKSUM;
	if (ip.ip_dst.s_addr != self->ip.s_addr)
		return IGNORE_ADDRESS;
	if (ntohs(ip.ip_off) & (IP_MF | IP_OFFMASK))
		return IGNORE_FRAGMENT;
	if (ip.ip_p != IPPROTO_ICMP)
		return IGNORE_PROTOCOL;
	answer = answer_icmp(header + header_len, total - header_len);
	if (answer == ANSWER_ECHO) {
		answer_ip_header(header, ip, header_len);
		answer_ethernet(frame, self);
	}
	return answer;
}

/** Make the answer to a frame of len bytes, in its place, or say why there is none. */
static inline enum answer answer_frame(uint8_t *frame, size_t len, const struct identity *self)
{
	struct ether_header ethernet;

	if (len < sizeof ethernet)
		return IGNORE_MALFORMED;
	memcpy(&ethernet, frame, sizeof ethernet);
	if (ethernet.ether_type == htons(ETHERTYPE_ARP))
		return answer_arp(frame, len, self);
	if (ethernet.ether_type == htons(ETHERTYPE_IP))
		return answer_ip(frame, len, self);
	return IGNORE_PROTOCOL;
}

#endif
