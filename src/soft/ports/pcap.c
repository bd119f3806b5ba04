/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pcap: libpcap's view of an interface, for systems that have nothing better, and files that it can read:
 * a file is received once, as fast as the program takes it, and then nothing comes any more.
 *
 *	pcap:eth0                   capture and send on an interface
 *	pcap:a.pcap                 receive a file; a name with '/', or ending in .pcap or .pcapng
 *	pcap:a.pcap,out=b.pcap      … and write what is sent to another one
 *	pcap:,out=b.pcap            only the latter
 *
 * A handle of libpcap serves one thread: each ring has its own.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../chain.h"
#include "../offsets.h"
#include "pcap_library.h"

#define SNAP       262144 /* libpcap's own default: all of any packet */
/*
 * Packets are handed over when libpcap's current buffer is full or the time is over. In its immediate mode each
 * packet would take up as much memory as the largest GRO packet (Linux): a burst of 40 overflows it.
 */
#define TIMEOUT_MS 1
#define BUFFER     (4 << 20)

#define OUT ",out="

/* How often a ring that is synced without ever sleeping asks for the drops. */
#define LOOK_NS 20000000u

struct pcap_rx {
	pcap_t *handle; /* NULL: nothing is received */
	struct pcap_pkthdr *header;
	const uint8_t *data; /* a packet that was read and has no slot yet; NULL: none */
	uint32_t dropped;    /* libpcap's count, as far as it is in ours */
	uint64_t looked_ns;
	bool over; /* of a file: its end, or its first error, was met */
	int error;
} __attribute__((aligned(128)));

struct pcap_tx {
	pcap_t *handle;
	pcap_dumper_t *out; /* to a file; NULL and no interface: what is sent is refused */
	uint32_t skip;      /* chain_pass()'s */
	uint8_t *whole;     /* packets of several slots are put together here */
} __attribute__((aligned(128)));

struct pcap_port {
	bool live;
	struct pcap_rx rx;
	struct pcap_tx tx;
};

/* ---- receiving ---- */

static bool is_live(const struct ring *r)
{
	return ((const struct pcap_port *)r->port->state)->live;
}

/* What libpcap said; of a file, once and for all. */
static int rx_failed(struct ring *r, struct pcap_rx *rx)
{
	rx->over = !is_live(r);
	rx->error = is_live(r) ? -ENETDOWN : -EIO;
	return error_set(rx->error, "port \"%s\": %s%s", r->port->name, libpcap.geterr(rx->handle),
	    rx->over ? " (what came before it is whole)" : "");
}

/* Have a packet in rx->data if there is one: 1, 0, or an error. */
static int fetch(struct ring *r, struct pcap_rx *rx)
{
	int got;

	if (rx->data)
		return 1;
	if (!rx->handle || (rx->over && !rx->error))
		return 0;
	if (rx->over)
		return rx_failed(r, rx);
	got = libpcap.next_ex(rx->handle, &rx->header, &rx->data);
	if (got == 1)
		return 1;
	rx->data = NULL;
	rx->over = got == PCAP_ERROR_BREAK;
	return got == PCAP_ERROR ? rx_failed(r, rx) : 0;
}

/* Packets that the system had no room for. */
static void count_drops(struct ring *r, struct pcap_rx *rx)
{
	struct pcap_stat stat;
	uint32_t dropped;

	if (!rx->handle || !is_live(r) || libpcap.stats(rx->handle, &stat) != 0)
		return;
	dropped = stat.ps_drop;
	ring_drop(r, LOOM_DROP_NO_ROOM, dropped - rx->dropped);
	rx->dropped = dropped;
}

static void count_drops_at_times(struct ring *r, struct pcap_rx *rx)
{
	uint64_t now = os_now_ns();

	if (now - rx->looked_ns < LOOK_NS)
		return;
	rx->looked_ns = now;
	count_drops(r, rx);
}

/* The slots of the packet in rx->data; 0: it waits for more; or, larger than a ring, it is lost. */
static uint32_t put(struct ring *r, struct pcap_rx *rx, uint32_t slots)
{
	const uint32_t most = chain_longest(r), can = slots < most ? slots : most;
	uint32_t used = 0;

	if (rx->header->caplen == 0)
		ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
	else
		used = chain_put(r, r->hwtail, rx->data, rx->header->caplen, can);
	if (used == 0 && rx->header->caplen > 0 && slots < r->num_slots - 1)
		return 0;
	if (used == 0 && rx->header->caplen > 0)
		ring_drop(r, LOOM_DROP_OVERSIZED, 1);
	rx->data = NULL;
	r->common.stats.packets += used > 0;
	return used;
}

static void stamp(struct ring *r, const struct pcap_rx *rx)
{
	if (is_live(r))
		ring_stamp(r);
	else
		r->common.ring->ts = rx->header->ts; /* the last one's, as it was captured */
}

static int pcap_rxsync(struct ring *r)
{
	struct pcap_rx *rx = r->state;
	const uint32_t before = r->hwtail;
	int got = 0;

	r->hwcur = r->rhead;
	while (r->hwtail != ring_prev(r, r->hwcur)) {
		got = fetch(r, rx);
		if (got != 1)
			break;
		r->hwtail = loom_ring_add(r->hwtail,
		    put(r, rx, ring_distance(r, r->hwtail, ring_prev(r, r->hwcur))), r->num_slots);
		if (rx->data)
			break;
	}
	if (r->hwtail != before)
		stamp(r, rx);
	else if (!ring_ready(r))
		count_drops_at_times(r, rx);
	/* An error is told when what came before it was taken. */
	return got < 0 && !ring_ready(r) ? got : 0;
}

/* ---- sending ---- */

/* A packet in one piece, and its length; NULL: it is larger than anything that can be sent. */
static const uint8_t *join(
    const struct pcap_tx *tx, const struct iovec *part, const struct iovec *end, size_t *len)
{
	*len = part->iov_len;
	if (end - part == 1)
		return part->iov_base;
	for (*len = 0; part < end; *len += part++->iov_len) {
		if (part->iov_len > SNAP - *len)
			return NULL;
		memcpy(tx->whole + *len, part->iov_base, part->iov_len);
	}
	return tx->whole;
}

static void write_out(const struct pcap_tx *tx, const uint8_t *data, size_t len)
{
	struct pcap_pkthdr header = {.caplen = (uint32_t)len, .len = (uint32_t)len};

	os_wall_clock(&header.ts);
	libpcap.dump((u_char *)tx->out, &header, data);
}

/* Of a packet that libpcap did not take. 0: it is lost, and counted. */
static int refused(struct ring *r, int reason)
{
	switch (reason) {
	case EAGAIN:
	case EINTR:
		return -EAGAIN;
	case ENETDOWN:
		return error_set(-ENETDOWN,
		    "port \"%s\": the interface is down; what is pending waits until it is up",
		    r->port->name);
	default:
		ring_drop(r, LOOM_DROP_REFUSED, 1);
		return 0;
	}
}

/* That the interface was down is told once more by the first try when it is up again. */
static bool inject(const struct pcap_tx *tx, const uint8_t *data, size_t len)
{
	return libpcap.inject(tx->handle, data, len) >= 0 ||
	       (errno == ENETDOWN && libpcap.inject(tx->handle, data, len) >= 0);
}

/* 0: sent, or counted as lost; -EAGAIN: not now; -ENETDOWN. */
static int transmit(struct ring *r, const struct pcap_tx *tx, const uint8_t *data, size_t len)
{
	if (tx->out)
		write_out(tx, data, len);
	else if (!tx->handle)
		ring_drop(r, LOOM_DROP_REFUSED, 1);
	else if (!inject(tx, data, len))
		return refused(r, errno);
	return 0;
}

/* Send the packet at hwcur. -EAGAIN: it stays, it is unfinished or the system took no more. */
static int send_one(struct ring *r)
{
	struct iovec parts[NETMAP_MAX_FRAGS], *end = parts;
	struct pcap_tx *tx = r->state;
	uint32_t at = r->hwcur;
	enum chain found = at == tx->skip ? CHAIN_BAD : chain_describe(r, &at, &end);
	const uint8_t *data;
	size_t len;
	int err = 0;

	if (found == CHAIN_UNFINISHED)
		return -EAGAIN;
	if (found == CHAIN_BAD) {
		chain_pass(r, &tx->skip);
		return 0;
	}
	data = join(tx, parts, end, &len);
	if (data)
		err = transmit(r, tx, data, len);
	else
		ring_drop(r, LOOM_DROP_OVERSIZED, 1);
	if (!err)
		r->hwcur = at;
	return err;
}

static int out_flush(const struct ring *r, const struct pcap_tx *tx)
{
	if (!tx->out || (libpcap.dump_flush(tx->out) == 0 && !ferror(libpcap.dump_file(tx->out))))
		return 0;
	return error_set(-EIO, "port \"%s\": its output file cannot be written: %s", r->port->name,
	    strerror(errno));
}

static int pcap_txsync(struct ring *r)
{
	const struct pcap_tx *tx = r->state;
	const uint32_t before = r->hwcur;
	int err = 0;

	while (r->hwcur != r->rhead && !err)
		err = send_one(r);
	r->hwtail = ring_prev(r, r->hwcur);
	if (err == -ENETDOWN)
		return err;
	return r->hwcur == before ? 0 : out_flush(r, tx);
}

/* ---- sleeping ---- */

static int rx_arm(struct ring *r, struct pollfd *out)
{
	struct pcap_rx *rx = r->state;

	out->fd = is_live(r) ? libpcap.get_selectable_fd(rx->handle) : -1;
	out->events = POLLIN;
	count_drops(r, rx);
	return ring_ready(r) || fetch(r, rx) != 0; /* errors are told by the sync that follows */
}

static int tx_arm(const struct ring *r, struct pollfd *out)
{
	const struct pcap_tx *tx = r->state;

	out->fd = tx->handle && !tx->out ? libpcap.get_selectable_fd(tx->handle) : -1;
	out->events = POLLOUT;
	return ring_ready(r);
}

static int pcap_arm(struct ring *r, struct pollfd *out)
{
	return r->tx ? tx_arm(r, out) : rx_arm(r, out);
}

static void pcap_disarm(struct ring *r)
{
	(void)r; /* an interface's handle is readable only while it has packets */
}

/* ---- opening an interface ---- */

static int activate_error(const char *name, pcap_t *handle, int status)
{
	const char *reason = libpcap.geterr(handle);

	switch (status) {
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return error_set(-EPERM,
		    "port \"%s\": libpcap may not capture here: run as root, or give the program "
		    "CAP_NET_RAW (setcap cap_net_raw+ep PROGRAM)",
		    name);
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return error_set(-ENXIO,
		    "port \"%s\": libpcap finds no such interface; a file has a '/' in its name or "
		    "ends in .pcap or .pcapng%s%s",
		    name, reason[0] ? ": " : "", reason);
	case PCAP_ERROR_IFACE_NOT_UP:
		return error_set(
		    -ENETDOWN, "port \"%s\": the interface is down; set it up first", name);
	default:
		return error_set(-EIO, "port \"%s\": libpcap: %s: %s", name,
		    libpcap.statustostr(status), reason);
	}
}

static int link_type_check(const char *name, pcap_t *handle)
{
	const int type = libpcap.datalink(handle);
	const char *word = libpcap.datalink_val_to_name(type);

	if (type == DLT_EN10MB)
		return 0;
	return error_set(-EINVAL, "port \"%s\": its packets are of link type %d (%s), not Ethernet",
	    name, type, word ? word : "unknown");
}

static int live_open(const struct port_request *request, pcap_t **out)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *handle = libpcap.create(request->ident, reason);
	int status, err;

	if (!handle)
		return error_set(-EIO, "port \"%s\": libpcap: %s", request->name, reason);
	libpcap.set_snaplen(handle, SNAP);
	libpcap.set_promisc(handle, 1);
	libpcap.set_buffer_size(handle, BUFFER);
	libpcap.set_timeout(handle, TIMEOUT_MS);
	status = libpcap.activate(handle);
	err = status < 0 ? activate_error(request->name, handle, status)
			 : link_type_check(request->name, handle);
	if (!err && libpcap.setnonblock(handle, 1, reason) != 0)
		err = error_set(-EIO, "port \"%s\": libpcap: %s", request->name, reason);
	if (err)
		libpcap.close(handle);
	else
		*out = handle;
	return err;
}

/* A handle to send with captures nothing. */
static int mute(const struct port_request *request, pcap_t *handle)
{
	struct bpf_insn nothing = {.code = BPF_RET | BPF_K};
	struct bpf_program filter = {.bf_len = 1, .bf_insns = &nothing};

	return libpcap.setfilter(handle, &filter) == 0 ? 0
						       : error_set(-EIO, "port \"%s\": libpcap: %s",
							     request->name, libpcap.geterr(handle));
}

/*
 * Do not receive what is sent from here; false: it is received, too. On Linux libpcap itself reads such packets
 * and drops them, each of which would wake who waits for others: so the system is asked first.
 */
static bool leave_out_own(pcap_t *handle)
{
	os_capture_leave_out_own(libpcap.get_selectable_fd(handle));
	return libpcap.setdirection(handle, PCAP_D_IN) == 0;
}

/* netmap refuses it. One that is not there is for libpcap to say. */
static int loopback_check(const struct port_request *request)
{
	struct ifreq flags = {0};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), found;

	if (fd < 0)
		return error_set(
		    -errno, "port \"%s\": no socket: %s", request->name, strerror(errno));
	snprintf(flags.ifr_name, sizeof flags.ifr_name, "%s", request->ident);
	found = ioctl(fd, SIOCGIFFLAGS, &flags);
	close(fd);
	if (found != 0 || !(flags.ifr_flags & IFF_LOOPBACK))
		return 0;
	return error_set(-EINVAL,
	    "port \"%s\": a loopback interface has no link; use \"loop:\" or a pipe",
	    request->name);
}

static int interface_open(
    struct port *port, struct pcap_port *pcap, const struct port_request *request)
{
	int err = loopback_check(request);

	if (!err)
		err = live_open(request, &pcap->rx.handle);
	if (!err)
		err = live_open(request, &pcap->tx.handle);
	if (!err)
		err = mute(request, pcap->tx.handle);
	if (err)
		return err;
	pcap->live = true;
	snprintf(port->mode, sizeof port->mode, "libpcap, host sees too%s",
	    leave_out_own(pcap->rx.handle) ? "" : ", own packets come back");
	return 0;
}

/* ---- opening files ---- */

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len >= n && strcmp(name + len - n, end) == 0;
}

static bool is_file(const char *ident)
{
	return strchr(ident, '/') || strstr(ident, OUT) || ends_with(ident, ".pcap") ||
	       ends_with(ident, ".pcapng");
}

static int input_open(const char *name, const char *path, pcap_t **out)
{
	char reason[PCAP_ERRBUF_SIZE] = "";
	FILE *file = fopen(path, "rbe");
	int err;

	if (!file)
		return error_set(-errno, "port \"%s\": cannot read the file \"%s\": %s", name, path,
		    strerror(errno));
	*out = libpcap.fopen_offline(file, reason);
	if (!*out) {
		fclose(file);
		return error_set(
		    -EINVAL, "port \"%s\": \"%s\" is no capture file: %s", name, path, reason);
	}
	err = link_type_check(name, *out);
	if (err) {
		libpcap.close(*out); /* and the file with it */
		*out = NULL;
	}
	return err;
}

static int output_open(const char *name, const char *path, struct pcap_tx *tx)
{
	FILE *file = fopen(path, "wbe");

	if (!file)
		return error_set(-errno, "port \"%s\": cannot write the file \"%s\": %s", name,
		    path, strerror(errno));
	tx->handle = libpcap.open_dead(DLT_EN10MB, SNAP);
	tx->out = tx->handle ? libpcap.dump_fopen(tx->handle, file) : NULL;
	if (tx->out)
		return 0;
	fclose(file);
	return error_set(-EIO, "port \"%s\": cannot write to \"%s\"", name, path);
}

static int files_open(struct port *port, struct pcap_port *pcap, const struct port_request *request)
{
	const char *out = strstr(request->ident, OUT);
	const size_t len = out ? (size_t)(out - request->ident) : strlen(request->ident);
	char in[NETMAP_REQ_IFNAMSIZ] = "";
	int err = 0;

	memcpy(in, request->ident, len < sizeof in ? len : sizeof in - 1);
	if (in[0])
		err = input_open(request->name, in, &pcap->rx.handle);
	if (!err && out)
		err = output_open(request->name, out + strlen(OUT), &pcap->tx);
	snprintf(port->mode, sizeof port->mode, "%s, %s",
	    in[0] ? "a file, received once" : "receives nothing",
	    out ? "sends to a file" : "drops what is sent");
	return err;
}

/* ---- the port ---- */

static void pcap_free(struct pcap_port *pcap)
{
	if (pcap->tx.out)
		libpcap.dump_close(pcap->tx.out);
	if (pcap->tx.handle)
		libpcap.close(pcap->tx.handle);
	if (pcap->rx.handle)
		libpcap.close(pcap->rx.handle);
	free(pcap->tx.whole);
	free(pcap);
}

static struct pcap_port *pcap_new(void)
{
	void *memory = NULL;
	struct pcap_port *pcap;

	if (posix_memalign(&memory, _Alignof(struct pcap_port), sizeof *pcap) != 0)
		return NULL;
	pcap = memset(memory, 0, sizeof *pcap);
	pcap->tx.skip = CHAIN_NONE;
	pcap->tx.whole = malloc(SNAP); /* pages that are not touched cost nothing */
	if (pcap->tx.whole)
		return pcap;
	free(pcap);
	return NULL;
}

static int request_check(const struct port_request *request)
{
	if (request->host_tx_rings || request->host_rx_rings)
		return error_set(-EOPNOTSUPP,
		    "port \"%s\": libpcap has no host rings; leave out '^', '*' and host-rings",
		    request->name);
	if (request->tx_rings != 1 || request->rx_rings != 1)
		return error_set(-EINVAL,
		    "port \"%s\": libpcap has one ring of each direction, not %u and %u",
		    request->name, request->tx_rings, request->rx_rings);
	return 0;
}

static int pcap_kind_open(struct port *port, const struct port_request *request)
{
	struct region *region;
	struct pcap_port *pcap;
	int err = request_check(request);

	if (!err)
		err = pcap_library_load(request->name);
	if (err)
		return err;
	pcap = pcap_new();
	if (!pcap)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	err = is_file(request->ident) ? files_open(port, pcap, request)
				      : interface_open(port, pcap, request);
	if (!err)
		err = port_region_of_interfaces(request, &region);
	if (!err)
		err = port_build_own(port, request, region, false);
	if (err) {
		pcap_free(pcap);
		return err;
	}
	port->state = pcap;
	port->rx[0].state = &pcap->rx;
	port->tx[0].state = &pcap->tx;
	return 0;
}

static void pcap_kind_close(struct port *port)
{
	pcap_free(port->state);
}

/* What libpcap knows of a handle is in the memory of one process. */
static int pcap_share(struct port *port)
{
	return error_set(-EOPNOTSUPP, "port \"%s\": libpcap serves one process only", port->name);
}

RING_SYNCS(pcap)

const struct port_kind port_kind_pcap = {
    .name = "pcap",
    .example = "pcap:a.pcap",
    .help = "a capture file, received once, or an interface through libpcap",
    .open = pcap_kind_open,
    .close = pcap_kind_close,
    .share = pcap_share,
    .tx_entry = pcap_tx_entry,
    .rx_entry = pcap_rx_entry,
    .arm = pcap_arm,
    .disarm = pcap_disarm,
    .offsets_start = offsets_start,
};
