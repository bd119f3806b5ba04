/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks /dev/netmap some 460 questions. Written to be run, not to be read; see README.md. */
/* clang-format off */
/* NOLINTBEGIN */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <net/if.h>
#include <net/netmap.h>
#include <net/netmap_user.h>

static const char *ename(int e) {
	static char b[32];
	if (!e) return "0";
	const char *n = strerrorname_np(e);
	if (n) return n;
	snprintf(b, sizeof b, "%d", e); return b;
}
static int ctl(int fd, const char *name, int ver, int type, void *body, void *opt, struct nmreq_header *out) {
	struct nmreq_header h; memset(&h, 0, sizeof h);
	h.nr_version = ver; h.nr_reqtype = type; h.nr_body = (uintptr_t)body; h.nr_options = (uintptr_t)opt;
	snprintf(h.nr_name, sizeof h.nr_name, "%s", name);
	errno = 0;
	int r = ioctl(fd, NIOCCTRL, &h);
	int e = r < 0 ? errno : 0;
	if (out) *out = h;
	errno = e;
	return e;
}
static void preg(const char *label, const char *name, int e, struct nmreq_register *r) {
	printf("%-44s name=%-12s -> %s", label, name, ename(e));
	printf(" | off=%lu memsize=%lu slots=%u/%u rings=%u/%u host=%u/%u mem_id=%u ringid=%u mode=%u extra=%u flags=%#lx\n",
	    (unsigned long)r->nr_offset, (unsigned long)r->nr_memsize, r->nr_tx_slots, r->nr_rx_slots,
	    r->nr_tx_rings, r->nr_rx_rings, r->nr_host_tx_rings, r->nr_host_rx_rings, r->nr_mem_id, r->nr_ringid,
	    r->nr_mode, r->nr_extra_bufs, (unsigned long)r->nr_flags);
	fflush(stdout);
}
static int nopen(void) { int fd = open("/dev/netmap", O_RDWR); if (fd < 0) { perror("open /dev/netmap"); exit(1);} return fd; }
struct port { int fd; int err; void *mem; size_t len; struct netmap_if *nifp; struct nmreq_register r; };
static struct port reg(const char *label, const char *name, int mode, int ringid, uint64_t flags,
    int txs, int rxs, int txr, int rxr, int mem, int extra) {
	struct port p; memset(&p, 0, sizeof p);
	p.fd = nopen();
	p.r.nr_mode = mode; p.r.nr_ringid = ringid; p.r.nr_flags = flags; p.r.nr_tx_slots = txs; p.r.nr_rx_slots = rxs;
	p.r.nr_tx_rings = txr; p.r.nr_rx_rings = rxr; p.r.nr_mem_id = mem; p.r.nr_extra_bufs = extra;
	p.err = ctl(p.fd, name, NETMAP_API, NETMAP_REQ_REGISTER, &p.r, NULL, NULL);
	if (label) preg(label, name, p.err, &p.r);
	if (!p.err) {
		p.len = p.r.nr_memsize;
		p.mem = mmap(NULL, p.len, PROT_READ|PROT_WRITE, MAP_SHARED, p.fd, 0);
		if (p.mem == MAP_FAILED) { printf("  mmap: %s\n", ename(errno)); p.mem = NULL; }
		else p.nifp = NETMAP_IF(p.mem, p.r.nr_offset);
	}
	return p;
}
static void pclose_(struct port *p) { if (p->mem) munmap(p->mem, p->len); if (p->fd >= 0) close(p->fd); p->fd = -1; p->mem = NULL; }
static void pring(const char *l, struct netmap_ring *r) {
	printf("  %-22s head=%u cur=%u tail=%u num_slots=%u buf_size=%u ringid=%u dir=%u flags=%#x buf_ofs=%ld offset_mask=%#lx balign=%#lx slot0: idx=%u len=%u flags=%#x ptr=%#lx space=%d\n", l, r->head, r->cur, r->tail,
	    r->num_slots, r->nr_buf_size, r->ringid, r->dir, r->flags, (long)r->buf_ofs, (unsigned long)r->offset_mask, (unsigned long)r->buf_align,
	    r->slot[0].buf_idx, r->slot[0].len, r->slot[0].flags, (unsigned long)r->slot[0].ptr, nm_ring_space(r)); fflush(stdout);
}
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec*1e-9; }
static void ppoll_(const char *l, int fd, int ev, int tmo) {
	struct pollfd p = { .fd = fd, .events = ev };
	double t = now(); int r = poll(&p, 1, tmo); int e = errno;
	printf("  %-46s ev=%s%s tmo=%d -> ret=%d rev=%s%s%s%s%s (%#x)%s %s %.0fms\n", l, ev & POLLIN ? "IN":"", ev & POLLOUT ? "OUT":"", tmo, r,
	    p.revents & POLLIN ? "IN " : "", p.revents & POLLOUT ? "OUT " : "", p.revents & POLLERR ? "ERR " : "", p.revents & POLLHUP ? "HUP ":"", p.revents & POLLNVAL ? "NVAL":"", p.revents,
	    r < 0 ? ename(e) : "", "", (now()-t)*1e3); fflush(stdout);
}
static void putn(struct netmap_ring *r, int n, int len) {
	for (int i = 0; i < n; i++) { struct netmap_slot *s = &r->slot[r->head]; s->len = len; memset(NETMAP_BUF(r, s->buf_idx), 'a' + i % 26, len); r->head = r->cur = nm_ring_next(r, r->head); }
}
static void xsync(const char *l, int fd, int tx) { errno = 0; int r = ioctl(fd, tx ? NIOCTXSYNC : NIOCRXSYNC, NULL); int e = r < 0 ? errno : 0; printf("  %-46s %s -> ret=%d %s\n", l, tx ? "TXSYNC" : "RXSYNC", r, ename(e)); fflush(stdout); }

static void info(const char *name, int ver) {
	struct nmreq_port_info_get i; memset(&i, 0, sizeof i); int fd = nopen(); struct nmreq_header h;
	int e = ctl(fd, name, ver, NETMAP_REQ_PORT_INFO_GET, &i, NULL, &h);
	printf("PORT_INFO_GET name=%-14s ver=%d -> %s (hdr ver out=%u) | memsize=%lu slots=%u/%u rings=%u/%u host=%u/%u mem_id=%u\n", name, ver, ename(e), h.nr_version,
	    (unsigned long)i.nr_memsize, i.nr_tx_slots, i.nr_rx_slots, i.nr_tx_rings, i.nr_rx_rings, i.nr_host_tx_rings, i.nr_host_rx_rings, i.nr_mem_id); fflush(stdout);
	close(fd);
}
static void pools(const char *name, int mem) {
	struct nmreq_pools_info i; memset(&i, 0, sizeof i); i.nr_mem_id = mem; int fd = nopen();
	int e = ctl(fd, name, NETMAP_API, NETMAP_REQ_POOLS_INFO_GET, &i, NULL, NULL);
	printf("POOLS_INFO_GET name=%-12s mem_id in=%d -> %s | memsize=%lu mem_id=%u if: ofs=%lu tot=%u size=%u ring: ofs=%lu tot=%u size=%u buf: ofs=%lu tot=%u size=%u\n", name, mem, ename(e),
	    (unsigned long)i.nr_memsize, i.nr_mem_id, (unsigned long)i.nr_if_pool_offset, i.nr_if_pool_objtotal, i.nr_if_pool_objsize,
	    (unsigned long)i.nr_ring_pool_offset, i.nr_ring_pool_objtotal, i.nr_ring_pool_objsize, (unsigned long)i.nr_buf_pool_offset, i.nr_buf_pool_objtotal, i.nr_buf_pool_objsize); fflush(stdout);
	close(fd);
}
static void hdrget(const char *label, int fd0, const char *name) {
	struct nmreq_port_hdr h = { .nr_hdr_len = 77 }; int fd = fd0 >= 0 ? fd0 : nopen();
	int e = ctl(fd, name, NETMAP_API, NETMAP_REQ_PORT_HDR_GET, &h, NULL, NULL);
	printf("PORT_HDR_GET %-20s name=%-12s -> %s len=%u\n", label, name, ename(e), h.nr_hdr_len); fflush(stdout);
	if (fd0 < 0) close(fd);
}
static void hdrset(int fd0, const char *name, int len) {
	struct nmreq_port_hdr h = { .nr_hdr_len = len }; int fd = fd0 >= 0 ? fd0 : nopen();
	int e = ctl(fd, name, NETMAP_API, NETMAP_REQ_PORT_HDR_SET, &h, NULL, NULL);
	printf("PORT_HDR_SET name=%-12s len=%d -> %s\n", name, len, ename(e)); fflush(stdout);
	if (fd0 < 0) close(fd);
}
static void regopt(const char *label, const char *name, struct nmreq_option *o) {
	struct nmreq_register r; memset(&r, 0, sizeof r); r.nr_mode = NR_REG_ALL_NIC; int fd = nopen();
	int e = ctl(fd, name, NETMAP_API, NETMAP_REQ_REGISTER, &r, o, NULL);
	printf("%-44s name=%s -> %s; opt status=%s (%u)\n", label, name, ename(e), ename(o->nro_status), o->nro_status); fflush(stdout);
	close(fd);
}

int main(void) {
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct port a, b, c; struct nmreq_register r; int fd, e; struct nmreq_header h;

	printf("== sizes: header=%zu register=%zu portinfo=%zu pools=%zu option=%zu slot=%zu ringhdr=%zu if=%zu NIOCCTRL=%#lx TXSYNC=%#lx RXSYNC=%#lx\n", sizeof(struct nmreq_header), sizeof(struct nmreq_register),
	    sizeof(struct nmreq_port_info_get), sizeof(struct nmreq_pools_info), sizeof(struct nmreq_option), sizeof(struct netmap_slot), sizeof(struct netmap_ring), sizeof(struct netmap_if), (unsigned long)NIOCCTRL, (unsigned long)NIOCTXSYNC, (unsigned long)NIOCRXSYNC);

	printf("== 1. header/version/type errors\n");
	for (int v = 10; v <= 17; v++) { fd = nopen(); memset(&r, 0, sizeof r); r.nr_mode = NR_REG_ALL_NIC; e = ctl(fd, "abi{1", v, NETMAP_REQ_REGISTER, &r, NULL, &h); printf("REGISTER ver=%d -> %s (hdr ver out=%u)\n", v, ename(e), h.nr_version); close(fd); }
	info("abi{1", 13); info("nosuch0", 14);
	fd = nopen(); for (int t = 0; t <= 20; t++) if (t == 0 || t > 15) { char body[256] = {0}; printf("reqtype=%d -> %s\n", t, ename(ctl(fd, "abi{1", NETMAP_API, t, body, NULL, NULL))); } close(fd);
	fd = nopen(); memset(&h, 0, sizeof h); h.nr_version = NETMAP_API; h.nr_reqtype = NETMAP_REQ_REGISTER; strcpy(h.nr_name, "abi{1"); e = ioctl(fd, NIOCCTRL, &h) < 0 ? errno : 0; printf("REGISTER body=NULL -> %s\n", ename(e)); close(fd);
	fd = nopen(); e = ctl(fd, "abi{1", NETMAP_API, NETMAP_REQ_REGISTER, (void *)16, NULL, &h); printf("REGISTER body=0x10 -> %s\n", ename(e)); close(fd);
	fd = nopen(); memset(&h, 0, sizeof h); memset(&r, 0, sizeof r); r.nr_mode = 1; h.nr_version = NETMAP_API; h.nr_reqtype = NETMAP_REQ_REGISTER; h.nr_reserved = 5; h.nr_body = (uintptr_t)&r; strcpy(h.nr_name, "abi{1"); e = ioctl(fd, NIOCCTRL, &h) < 0 ? errno : 0; printf("REGISTER nr_reserved=5 -> %s\n", ename(e)); close(fd);
	fd = nopen(); memset(&h, 0, sizeof h); memset(&r, 0, sizeof r); r.nr_mode = 1; h.nr_version = NETMAP_API; h.nr_reqtype = NETMAP_REQ_REGISTER; h.nr_body = (uintptr_t)&r; memset(h.nr_name, 'x', 64); e = ioctl(fd, NIOCCTRL, &h) < 0 ? errno : 0; printf("REGISTER name of 64 non-NUL bytes -> %s\n", ename(e)); close(fd);
	fd = nopen(); errno = 0; e = ioctl(fd, NIOCCTRL, NULL) < 0 ? errno : 0; printf("NIOCCTRL arg NULL -> %s\n", ename(e)); e = ioctl(fd, _IO('i', 199), 0) < 0 ? errno : 0; printf("ioctl _IO('i',199) -> %s\n", ename(e)); e = ioctl(fd, _IO('z', 1), 0) < 0 ? errno : 0; printf("ioctl _IO('z',1) -> %s\n", ename(e)); close(fd);
	fd = nopen(); xsync("unbound fd", fd, 1); xsync("unbound fd", fd, 0); ppoll_("unbound fd", fd, POLLIN|POLLOUT, 0); void *m = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0); printf("  mmap on unbound fd -> %s\n", m == MAP_FAILED ? ename(errno) : "ok"); char buf[8]; ssize_t n = read(fd, buf, 8); e = n < 0 ? errno : 0; printf("  read(unbound) -> %zd %s\n", n, ename(e)); n = write(fd, buf, 8); e = n < 0 ? errno : 0; printf("  write(unbound) -> %zd %s\n", n, ename(e)); close(fd);

	printf("== 2. register names\n");
	const char *names[] = { "nosuch0", "", "vale", "vale:", "vale:x", "vale9", "vale9:", "vale9:p", "valeXX:p", "vale-x:p", "abi{", "abi}", "abi{1", "abi}1", "abi{01", "abi{a", "abi{1a", "abi{-1", "abi{65535", "abi{65536", "abi{4294967296", "abi{1{2", "{1", "lo", "averyveryverylongifname{1", "averyveryverylongifname", "vale9:averyveryverylongport", "vale9:p{1", "vale9:q}1", "veth0{3", "nosuch0{0", "a b{1", "abi{1/T", "abi{1-0", NULL };
	for (int i = 0; names[i]; i++) { a = reg("REGISTER ALL_NIC", names[i], NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); if (!a.err) printf("    ni_name='%s' nifp flags=%#x bufs_head=%u ni_version=%u\n", a.nifp ? a.nifp->ni_name : "?", a.nifp->ni_flags, a.nifp->ni_bufs_head, a.nifp->ni_version); pclose_(&a); }

	printf("== 3. register modes / ring ids on pipe\n");
	for (int m = 0; m <= 10; m++) { a = reg("REGISTER mode", "abi{1", m, 0, 0, 0,0,0,0,0,0); printf("    (mode in=%d)\n", m); pclose_(&a); }
	for (int i = 0; i < 6; i++) { int id[] = {0,1,2,16,4095,65535}; a = reg("REGISTER ONE_NIC ringid", "abi{1", NR_REG_ONE_NIC, id[i], 0,0,0,0,0,0,0); pclose_(&a); }
	for (int i = 0; i < 3; i++) { int id[] = {1,5,65535}; a = reg("REGISTER ALL_NIC with ringid", "abi{1", NR_REG_ALL_NIC, id[i], 0,0,0,0,0,0,0); pclose_(&a); }
	a = reg("REGISTER PIPE_MASTER legacy mode", "abi", NR_REG_PIPE_MASTER, 7, 0,0,0,0,0,0,0); if (a.nifp) printf("    ni_name=%s\n", a.nifp->ni_name); pclose_(&a);
	a = reg("REGISTER PIPE_SLAVE legacy mode", "abi", NR_REG_PIPE_SLAVE, 7, 0,0,0,0,0,0,0); if (a.nifp) printf("    ni_name=%s\n", a.nifp->ni_name); pclose_(&a);

	printf("== 4. requested rings/slots on pipe\n");
	struct { int ts, rs, tr, rr; } q[] = { {0,0,0,0},{512,512,0,0},{256,2048,0,0},{100,100,0,0},{3,3,0,0},{1,1,0,0},{2,2,0,0},{4096,4096,0,0},{16384,16384,0,0},{16385,16385,0,0},{100000,100000,0,0},{0,0,2,2},{0,0,4,1},{0,0,1,4},{0,0,16,16},{0,0,100,100},{0,0,300,300},{512,0,2,0},{1024,1024,64,64},{1000,1000,1,1},{1021,1021,1,1} };
	for (unsigned i = 0; i < sizeof q/sizeof q[0]; i++) { a = reg("REGISTER slots/rings", "abiq{1", NR_REG_ALL_NIC, 0, 0, q[i].ts, q[i].rs, q[i].tr, q[i].rr, 0, 0); printf("    (in slots=%d/%d rings=%d/%d)\n", q[i].ts, q[i].rs, q[i].tr, q[i].rr); pclose_(&a); }
	a = reg("master 512/256 slots 2/3 rings", "abir{1", NR_REG_ALL_NIC, 0, 0, 512, 256, 2, 3, 0, 0); b = reg("slave asks 64/64 1/1", "abir}1", NR_REG_ALL_NIC, 0, 0, 64, 64, 1, 1, 0, 0); c = reg("master again asks 64", "abir{1", NR_REG_ALL_NIC, 0, 0, 64, 64, 1, 1, 0, 0); info("abir{1", 14); info("abir}1", 14); pclose_(&a); pclose_(&b); pclose_(&c);
	for (int i = 0; i < 6; i++) { int x[] = {1, 8, 100, 5000, 200000, -1}; a = reg("extra_bufs", "abix{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0, x[i]); if (a.nifp) { unsigned cnt = 0; uint32_t k = a.nifp->ni_bufs_head; struct netmap_ring *t = NETMAP_TXRING(a.nifp, 0); uint32_t first = k; while (k && cnt < 1000000) { cnt++; k = *(uint32_t *)NETMAP_BUF(t, k); } printf("    asked %d got %u list head=%u len=%u\n", x[i], a.r.nr_extra_bufs, first, cnt); } pclose_(&a); }
	for (int i = 0; i < 6; i++) { int x[] = {1, 2, 3, 50, 1000, 65535}; a = reg("mem_id in", "abim{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0, x[i], 0); printf("    (mem_id in=%d)\n", x[i]); pclose_(&a); }

	printf("== 5. exclusive / double open\n");
	a = reg("first plain", "abie{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); b = reg("second plain", "abie{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); c = reg("third exclusive", "abie{1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); pclose_(&a); pclose_(&b); pclose_(&c);
	a = reg("first exclusive", "abie{1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); b = reg("second plain", "abie{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); c = reg("other end", "abie}1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); info("abie{1", 14);
	pclose_(&a); pclose_(&b); pclose_(&c);
	a = reg("ONE_NIC ring0 excl (2 rings)", "abie{2", NR_REG_ONE_NIC, 0, NR_EXCLUSIVE, 0,0,2,2,0,0); b = reg("ONE_NIC ring1 excl", "abie{2", NR_REG_ONE_NIC, 1, NR_EXCLUSIVE, 0,0,0,0,0,0); c = reg("ONE_NIC ring0 again", "abie{2", NR_REG_ONE_NIC, 0, 0, 0,0,0,0,0,0); if (a.nifp) printf("    ring_ofs tx0=%ld tx1=%ld; b: tx0=%ld tx1=%ld (0 if not owned)\n", (long)a.nifp->ring_ofs[0], (long)a.nifp->ring_ofs[1], b.nifp ? (long)b.nifp->ring_ofs[0] : -1, b.nifp ? (long)b.nifp->ring_ofs[1] : -1); pclose_(&a); pclose_(&b); pclose_(&c);
	a = reg("TX_RINGS_ONLY", "abie{3", NR_REG_ALL_NIC, 0, NR_TX_RINGS_ONLY, 0,0,0,0,0,0); if (a.nifp) { printf("    ofs tx=%ld rx=%ld\n", (long)a.nifp->ring_ofs[0], (long)a.nifp->ring_ofs[1 + a.nifp->ni_host_tx_rings]); xsync("TX-only port", a.fd, 0); } pclose_(&a);
	a = reg("RX_RINGS_ONLY", "abie{3", NR_REG_ALL_NIC, 0, NR_RX_RINGS_ONLY, 0,0,0,0,0,0); pclose_(&a);
	a = reg("TX|RX_RINGS_ONLY", "abie{3", NR_REG_ALL_NIC, 0, NR_RX_RINGS_ONLY|NR_TX_RINGS_ONLY, 0,0,0,0,0,0); pclose_(&a);
	a = reg("unknown flag 0x1000", "abie{3", NR_REG_ALL_NIC, 0, 0x1000, 0,0,0,0,0,0); pclose_(&a);
	a = reg("unknown flag 1<<40", "abie{3", NR_REG_ALL_NIC, 0, 1ULL<<40, 0,0,0,0,0,0); pclose_(&a);
	a = reg("fd bound", "abie{4", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); memset(&r, 0, sizeof r); r.nr_mode = 1; e = ctl(a.fd, "abie{5", NETMAP_API, NETMAP_REQ_REGISTER, &r, NULL, NULL); printf("second REGISTER on bound fd -> %s\n", ename(e)); e = ctl(a.fd, "abie{4", NETMAP_API, NETMAP_REQ_REGISTER, &r, NULL, NULL); printf("second REGISTER same name on bound fd -> %s\n", ename(e)); pclose_(&a);

	printf("== 6. monitors\n");
	a = reg("monitor of absent pipe (TX)", "abin{9", NR_REG_ALL_NIC, 0, NR_MONITOR_TX, 0,0,0,0,0,0); pclose_(&a);
	a = reg("pipe", "abin{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); b = reg("copy monitor RX|TX", "abin{1", NR_REG_ALL_NIC, 0, NR_MONITOR_TX|NR_MONITOR_RX, 0,0,0,0,0,0); if (b.nifp) printf("    ni_name=%s\n", b.nifp->ni_name); c = reg("zc monitor RX|TX", "abin{1", NR_REG_ALL_NIC, 0, NR_MONITOR_TX|NR_MONITOR_RX|NR_ZCOPY_MON, 0,0,0,0,0,0); if (c.nifp) printf("    ni_name=%s\n", c.nifp->ni_name); if (b.nifp) { xsync("monitor", b.fd, 1); xsync("monitor", b.fd, 0); } pclose_(&b); pclose_(&c); pclose_(&a);

	printf("== 7. vnet hdr\n");
	a = reg("pipe no flag", "abih{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); hdrget("pipe bound", a.fd, "abih{1"); hdrget("pipe other fd", -1, "abih{1"); hdrset(-1, "abih{1", 12); hdrget("pipe after set", -1, "abih{1"); pclose_(&a);
	a = reg("pipe with NR_ACCEPT_VNET_HDR", "abih{1", NR_REG_ALL_NIC, 0, NR_ACCEPT_VNET_HDR, 0,0,0,0,0,0); pclose_(&a);
	a = reg("vale port no flag", "vale9:h", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); hdrget("vale", -1, "vale9:h"); hdrset(-1, "vale9:h", 12); hdrget("vale after set 12", -1, "vale9:h"); hdrset(-1, "vale9:h", 10); hdrset(-1, "vale9:h", 5); hdrset(-1, "vale9:h", 13); b = reg("second open (hdr set), no flag", "vale9:h", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); c = reg("second open ACCEPT_VNET_HDR", "vale9:h", NR_REG_ALL_NIC, 0, NR_ACCEPT_VNET_HDR, 0,0,0,0,0,0); pclose_(&b); pclose_(&c); pclose_(&a);
	hdrget("absent", -1, "nosuch0"); hdrget("absent pipe", -1, "nosuchp{1"); hdrget("absent vale", -1, "vale9:zz"); hdrset(-1, "nosuch0", 12);

	printf("== 8. info\n");
	info("nosuch0", 14); info("abi{1", 14); info("vale9:zz", 14); info("", 14); info("lo", 14); info("veth0", 14);
	pools("", 0); pools("", 1); pools("abi{1", 0); pools("nosuch0", 0); pools("", 77);
	a = reg("pipe for pools", "abi{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); pools("abi{1", 0); pools("", a.r.nr_mem_id); pclose_(&a);
	a = reg("vale for pools", "vale9:x", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); pools("vale9:x", 0); pools("", a.r.nr_mem_id); pclose_(&a);

	printf("== 9. other requests on absent / wrong things\n");
	{ struct nmreq_vale_attach va; memset(&va, 0, sizeof va); va.reg.nr_mode = 1; fd = nopen(); printf("VALE_ATTACH vale9:nosuch0 -> %s\n", ename(ctl(fd, "vale9:nosuch0", 14, NETMAP_REQ_VALE_ATTACH, &va, NULL, NULL))); struct nmreq_vale_detach vd = {0}; printf("VALE_DETACH vale9:nosuch0 -> %s\n", ename(ctl(fd, "vale9:nosuch0", 14, NETMAP_REQ_VALE_DETACH, &vd, NULL, NULL))); struct nmreq_vale_list vl; memset(&vl, 0, sizeof vl); printf("VALE_LIST '' -> %s\n", ename(ctl(fd, "", 14, NETMAP_REQ_VALE_LIST, &vl, NULL, NULL))); memset(&vl, 0, sizeof vl); printf("VALE_LIST 'vale9:x' -> %s\n", ename(ctl(fd, "vale9:x", 14, NETMAP_REQ_VALE_LIST, &vl, NULL, NULL))); struct nmreq_vale_newif vn; memset(&vn, 0, sizeof vn); printf("VALE_NEWIF abinew -> %s", ename(ctl(fd, "abinew", 14, NETMAP_REQ_VALE_NEWIF, &vn, NULL, NULL))); printf(" slots=%u/%u rings=%u/%u mem=%u\n", vn.nr_tx_slots, vn.nr_rx_slots, vn.nr_tx_rings, vn.nr_rx_rings, vn.nr_mem_id); printf("VALE_NEWIF again -> %s\n", ename(ctl(fd, "abinew", 14, NETMAP_REQ_VALE_NEWIF, &vn, NULL, NULL))); printf("VALE_DELIF abinew -> %s\n", ename(ctl(fd, "abinew", 14, NETMAP_REQ_VALE_DELIF, NULL, NULL, NULL))); printf("VALE_DELIF again -> %s\n", ename(ctl(fd, "abinew", 14, NETMAP_REQ_VALE_DELIF, NULL, NULL, NULL))); close(fd);
	  struct nmreq_sync_kloop_start ks = {0}; fd = nopen(); printf("SYNC_KLOOP_START unbound -> %s; STOP -> ", ename(ctl(fd, "", 14, NETMAP_REQ_SYNC_KLOOP_START, &ks, NULL, NULL))); printf("%s\n", ename(ctl(fd, "", 14, NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL, NULL))); printf("CSB_ENABLE without option, unbound -> %s\n", ename(ctl(fd, "", 14, NETMAP_REQ_CSB_ENABLE, NULL, NULL, NULL))); close(fd); }
	{ struct { struct nmreq_option o; char pad[200]; } o; memset(&o, 0, sizeof o); o.o.nro_reqtype = 99; regopt("unknown option 99", "abio{1", &o.o); memset(&o, 0, sizeof o); o.o.nro_reqtype = 0; regopt("option type 0", "abio{1", &o.o); memset(&o, 0, sizeof o); o.o.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE; regopt("KLOOP_MODE option on REGISTER", "abio{1", &o.o); memset(&o, 0, sizeof o); o.o.nro_reqtype = NETMAP_REQ_OPT_EXTMEM; regopt("EXTMEM (empty) on REGISTER", "abio{1", &o.o);
	  struct nmreq_opt_offsets of; memset(&of, 0, sizeof of); of.nro_opt.nro_reqtype = NETMAP_REQ_OPT_OFFSETS; of.nro_max_offset = 128; of.nro_initial_offset = 64; regopt("OFFSETS max=128 init=64", "abio{1", &of.nro_opt); printf("    out: max=%lu bits=%u init=%lu\n", (unsigned long)of.nro_max_offset, of.nro_offset_bits, (unsigned long)of.nro_initial_offset); of.nro_max_offset = 1<<20; of.nro_opt.nro_status = 0; regopt("OFFSETS max=1<<20", "abio{1", &of.nro_opt); of.nro_max_offset = 32; of.nro_initial_offset = 64; of.nro_opt.nro_status = 0; regopt("OFFSETS init>max", "abio{1", &of.nro_opt); }

	printf("== 10. pipe data path, poll and sync semantics\n");
	a = reg("master", "abip{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0);
	printf("  -- other end not open\n");
	struct netmap_ring *tx = NETMAP_TXRING(a.nifp, 0), *rx = NETMAP_RXRING(a.nifp, 0), *brx, *btx;
	pring("master tx", tx); pring("master rx", rx);
	ppoll_("OUT, peer closed", a.fd, POLLOUT, 0); ppoll_("IN, peer closed", a.fd, POLLIN, 50); ppoll_("events=0", a.fd, 0, 0);
	putn(tx, 10, 60); xsync("10 pkts queued, peer closed", a.fd, 1); pring("master tx", tx);
	putn(tx, nm_ring_space(tx), 60); xsync("ring full, peer closed", a.fd, 1); pring("master tx", tx); ppoll_("OUT ring full, peer closed", a.fd, POLLOUT, 50);
	b = reg("slave opens now", "abip}1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); brx = NETMAP_RXRING(b.nifp, 0); btx = NETMAP_TXRING(b.nifp, 0);
	pring("slave rx", brx); xsync("slave", b.fd, 0); pring("slave rx after rxsync", brx); pring("slave tx", btx); pring("master tx", tx);
	if (a.mem && b.mem) printf("  master nifp off=%lu slave nifp off=%lu; memory shared with equal memid: %u %u\n", (unsigned long)a.r.nr_offset, (unsigned long)b.r.nr_offset, a.r.nr_mem_id, b.r.nr_mem_id);
	ppoll_("slave IN", b.fd, POLLIN, 50); pring("slave rx after poll", brx);
	if (nm_ring_space(brx)) { printf("  first received slot: idx=%u len=%u flags=%#x byte0=%c\n", brx->slot[brx->cur].buf_idx, brx->slot[brx->cur].len, brx->slot[brx->cur].flags, NETMAP_BUF(brx, brx->slot[brx->cur].buf_idx)[0]); }
	xsync("slave rxsync w/o release", b.fd, 0); pring("slave rx", brx);
	brx->head = brx->cur = brx->tail; ppoll_("slave IN after release all", b.fd, POLLIN, 50); pring("slave rx", brx); pring("master tx before txsync", tx); xsync("master", a.fd, 1); pring("master tx", tx); xsync("slave", b.fd, 0); pring("slave rx", brx); brx->head = brx->cur = brx->tail; xsync("slave", b.fd, 0);
	xsync("master", a.fd, 1); pring("master tx (drained)", tx);
	printf("  -- one packet: tx without sync, then poll\n");
	uint32_t sidx = tx->slot[tx->head].buf_idx; putn(tx, 1, 60); ppoll_("slave IN before tx sync", b.fd, POLLIN, 30); ppoll_("master IN only (implicit txsync)", a.fd, POLLIN, 0); pring("slave rx (no sync yet)", brx); ppoll_("slave IN", b.fd, POLLIN, 30); pring("slave rx", brx);
	printf("  zero-copy? tx idx=%u -> rx slot idx=%u; tx slot idx now=%u flags tx=%#x rx=%#x\n", sidx, brx->slot[brx->cur].buf_idx, tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].buf_idx, tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].flags, brx->slot[brx->cur].flags);
	printf("  -- cur ahead of head on rx: POLLIN?\n");
	brx->cur = brx->tail; ppoll_("slave IN, cur=tail head behind", b.fd, POLLIN, 30); pring("slave rx", brx); brx->head = brx->cur; xsync("slave", b.fd, 0);
	printf("  -- cur ahead on tx: POLLOUT?\n");
	xsync("master", a.fd, 1); pring("master tx", tx); tx->cur = tx->tail; ppoll_("master OUT, cur=tail head behind", a.fd, POLLOUT, 30); pring("master tx", tx); tx->cur = tx->head; xsync("master (cur moved back)", a.fd, 1);
	printf("  -- bad pointers\n");
	uint32_t sh = tx->head, sc = tx->cur, st = tx->tail;
	tx->head = tx->tail + 2 >= tx->num_slots ? 2 : tx->tail + 2; tx->cur = tx->head; xsync("tx head beyond tail", a.fd, 1); pring("master tx", tx);
	tx->head = tx->num_slots + 5; xsync("tx head out of range", a.fd, 1); pring("master tx", tx);
	tx->cur = tx->num_slots + 5; xsync("tx cur out of range", a.fd, 1); pring("master tx", tx);
	tx->tail = 1; xsync("tx tail overwritten by user", a.fd, 1); pring("master tx", tx); (void)sh; (void)sc; (void)st;
	tx->head = tx->num_slots + 5; ppoll_("poll OUT with bad head", a.fd, POLLOUT, 30); pring("master tx", tx); ppoll_("poll again", a.fd, POLLOUT, 30); xsync("txsync after bad head+poll", a.fd, 1); pring("master tx", tx);
	{ struct netmap_slot *s = &tx->slot[tx->head]; uint32_t oi = s->buf_idx; s->buf_idx = 999999999; s->len = 60; s->flags |= NS_BUF_CHANGED; tx->head = tx->cur = nm_ring_next(tx, tx->head); xsync("bad buf_idx", a.fd, 1); pring("master tx", tx); xsync("slave", b.fd, 0); pring("slave rx", brx); if (nm_ring_space(brx)) printf("  received idx=%u len=%u\n", brx->slot[brx->cur].buf_idx, brx->slot[brx->cur].len); for (uint32_t i = 0; i < brx->num_slots; i++) if (brx->slot[i].buf_idx == 999999999) brx->slot[i].buf_idx = oi; for (uint32_t i = 0; i < tx->num_slots; i++) if (tx->slot[i].buf_idx == 999999999) tx->slot[i].buf_idx = oi; brx->head = brx->cur = brx->tail; xsync("slave", b.fd, 0); }
	putn(tx, 1, 60); tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].len = 5000; xsync("len 5000 > buf size", a.fd, 1); xsync("slave", b.fd, 0); if (nm_ring_space(brx)) printf("  received len=%u\n", brx->slot[brx->cur].len); brx->head = brx->cur = brx->tail; xsync("slave", b.fd, 0);
	putn(tx, 1, 60); tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].len = 0; xsync("len 0", a.fd, 1); xsync("slave", b.fd, 0); printf("  slave space=%d\n", nm_ring_space(brx)); if (nm_ring_space(brx)) printf("  received len=%u\n", brx->slot[brx->cur].len); brx->head = brx->cur = brx->tail; xsync("slave", b.fd, 0);
	printf("  -- NS_MOREFRAG\n");
	putn(tx, 3, 60); tx->slot[(tx->head + tx->num_slots - 3) % tx->num_slots].flags = NS_MOREFRAG; tx->slot[(tx->head + tx->num_slots - 2) % tx->num_slots].flags = NS_MOREFRAG; xsync("3-frag packet", a.fd, 1); xsync("slave", b.fd, 0); printf("  slave space=%d flags: %#x %#x %#x\n", nm_ring_space(brx), brx->slot[brx->cur].flags, brx->slot[(brx->cur+1)%brx->num_slots].flags, brx->slot[(brx->cur+2)%brx->num_slots].flags); brx->head = brx->cur = brx->tail; xsync("slave", b.fd, 0);
	putn(tx, 1, 60); tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].flags = NS_MOREFRAG; xsync("incomplete packet (MOREFRAG last)", a.fd, 1); pring("master tx", tx); xsync("slave", b.fd, 0); printf("  slave space=%d\n", nm_ring_space(brx)); putn(tx, 1, 60); tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].flags = 0; xsync("completed", a.fd, 1); xsync("slave", b.fd, 0); printf("  slave space=%d\n", nm_ring_space(brx)); brx->head = brx->cur = brx->tail; xsync("slave", b.fd, 0);
	printf("  -- epoll/select/nonblock\n");
	{ int ep = epoll_create1(0); struct epoll_event ev = { .events = EPOLLIN, .data.fd = b.fd }, o[2]; printf("  epoll_ctl ADD -> %s\n", epoll_ctl(ep, EPOLL_CTL_ADD, b.fd, &ev) ? ename(errno) : "0"); printf("  epoll_wait empty -> %d\n", epoll_wait(ep, o, 2, 20)); putn(tx, 1, 60); tx->slot[(tx->head + tx->num_slots - 1) % tx->num_slots].flags = 0; ioctl(a.fd, NIOCTXSYNC); int k = epoll_wait(ep, o, 2, 20); printf("  epoll_wait after tx -> %d events=%#x slave space=%d\n", k, k > 0 ? o[0].events : 0, nm_ring_space(brx)); k = epoll_wait(ep, o, 2, 20); printf("  epoll_wait again (level) -> %d\n", k); brx->head = brx->cur = brx->tail; k = epoll_wait(ep, o, 2, 20); printf("  epoll_wait after release -> %d\n", k); close(ep); }
	printf("  -- close slave with packets pending, then state of master\n");
	putn(tx, 5, 60); xsync("master 5 pkts", a.fd, 1); pclose_(&b); pring("master tx", tx); ppoll_("master OUT after peer closed", a.fd, POLLOUT, 30); ppoll_("master IN after peer closed", a.fd, POLLIN, 30); xsync("master tx after peer closed", a.fd, 1); pring("master tx", tx); xsync("master rx after peer closed", a.fd, 0);
	b = reg("slave reopens", "abip}1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); brx = NETMAP_RXRING(b.nifp, 0); xsync("slave", b.fd, 0); pring("slave rx", brx); pring("master tx", tx); pclose_(&a); pclose_(&b);
	printf("  -- flags NR_NO_TX_POLL / NR_DO_RX_POLL\n");
	a = reg("NO_TX_POLL", "abip{2", NR_REG_ALL_NIC, 0, NR_NO_TX_POLL, 0,0,0,0,0,0); b = reg("DO_RX_POLL", "abip}2", NR_REG_ALL_NIC, 0, NR_DO_RX_POLL, 0,0,0,0,0,0); tx = NETMAP_TXRING(a.nifp, 0); brx = NETMAP_RXRING(b.nifp, 0); putn(tx, 1, 60); ppoll_("master IN only", a.fd, POLLIN, 0); xsync("slave", b.fd, 0); printf("  slave space=%d (0 = not pushed)\n", nm_ring_space(brx)); ppoll_("master OUT", a.fd, POLLOUT, 0); ppoll_("slave OUT only with DO_RX_POLL", b.fd, POLLOUT, 0); printf("  slave space=%d (1 = rx refreshed by poll OUT)\n", nm_ring_space(brx)); pclose_(&a); pclose_(&b);

	printf("== 11. VALE\n");
	a = reg("port a", "vale9:a", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); b = reg("port b", "vale9:b", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); tx = NETMAP_TXRING(a.nifp, 0); brx = NETMAP_RXRING(b.nifp, 0); pring("a tx", tx); pring("b rx", brx);
	for (int i = 0; i < 3; i++) { struct netmap_slot *s = &tx->slot[tx->head]; s->len = 60; s->flags = 0; char *p = NETMAP_BUF(tx, s->buf_idx); memset(p, 0xff, 6); memcpy(p+6, "\2\0\0\0\0\1", 6); memset(p+12, 0, 48); tx->head = tx->cur = nm_ring_next(tx, tx->head); }
	ppoll_("b IN before", b.fd, POLLIN, 20); xsync("a 3 broadcast pkts", a.fd, 1); pring("a tx", tx); ppoll_("b IN", b.fd, POLLIN, 20); pring("b rx", brx); info("vale9:a", 14); info("vale9:zz", 14); info("vale9", 14);
	{ struct netmap_slot *s = &tx->slot[tx->head]; s->len = 10; tx->head = tx->cur = nm_ring_next(tx, tx->head); xsync("a 10-byte runt", a.fd, 1); xsync("b", b.fd, 0); pring("b rx", brx); }
	{ int tot = 0; brx->head = brx->cur = brx->tail; xsync("b", b.fd, 0); while (tot < 3000) { int k = nm_ring_space(tx); if (!k) break; for (int i = 0; i < k; i++) { struct netmap_slot *s = &tx->slot[tx->head]; s->len = 60; char *p = NETMAP_BUF(tx, s->buf_idx); memset(p, 0xff, 6); memcpy(p+6, "\2\0\0\0\0\1", 6); tx->head = tx->cur = nm_ring_next(tx, tx->head); } ioctl(a.fd, NIOCTXSYNC); tot += k; } xsync("b", b.fd, 0); printf("  overflow: sent %d, b space=%d, tx space=%d (VALE drops)\n", tot, nm_ring_space(brx), nm_ring_space(tx)); ppoll_("a OUT when b full", a.fd, POLLOUT, 20); }
	pclose_(&a); pclose_(&b);
	for (unsigned i = 0; i < 8; i++) { struct { int ts, rs, tr, rr; } v[] = { {512,512,1,1},{100,100,0,0},{0,0,2,2},{0,0,4,1},{16384,16384,1,1},{16385,1,1,1},{0,0,300,300},{1,1,0,0} }; a = reg("VALE slots/rings", "vale9:s", NR_REG_ALL_NIC, 0, 0, v[i].ts, v[i].rs, v[i].tr, v[i].rr, 0, 0); printf("    (in slots=%d/%d rings=%d/%d)\n", v[i].ts, v[i].rs, v[i].tr, v[i].rr); pclose_(&a); }
	a = reg("VALE NR_REG_SW", "vale9:s", NR_REG_SW, 0, 0, 0,0,0,0,0,0); pclose_(&a); a = reg("VALE NR_REG_NIC_SW", "vale9:s", NR_REG_NIC_SW, 0, 0, 0,0,0,0,0,0); pclose_(&a); a = reg("VALE ONE_NIC 1", "vale9:s", NR_REG_ONE_NIC, 1, 0, 0,0,0,0,0,0); pclose_(&a); a = reg("VALE mem_id 1", "vale9:s", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,1,0); pclose_(&a);
	a = reg("VALE pipe parent port a", "vale9:a", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); b = reg("VALE pipe on it", "vale9:a{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); c = reg("other end", "vale9:a}1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); pclose_(&a); pclose_(&b); pclose_(&c);

	printf("== 12. NIC (veth0, generic mode) and lo\n");
	a = reg("veth0 ALL_NIC", "veth0", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); if (a.nifp) { pring("veth0 tx", NETMAP_TXRING(a.nifp,0)); pring("veth0 rx", NETMAP_RXRING(a.nifp,0)); } b = reg("veth0 NIC_SW", "veth0", NR_REG_NIC_SW, 0, 0, 0,0,0,0,0,0); c = reg("veth0 ONE_SW 0", "veth0", NR_REG_ONE_SW, 0, 0, 0,0,0,0,0,0); info("veth0", 14); pclose_(&a); pclose_(&b); pclose_(&c);
	a = reg("veth0 ONE_NIC 1", "veth0", NR_REG_ONE_NIC, 1, 0, 0,0,0,0,0,0); pclose_(&a);
	a = reg("veth0 pipe{1", "veth0{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); pclose_(&a);
	printf("== 13. fork/dup/close semantics\n");
	a = reg("pipe", "abif{1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); int d = dup(a.fd); close(a.fd); b = reg("reopen excl while dup held", "abif{1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); pclose_(&b); close(d); b = reg("reopen excl: fds closed, mmap still held", "abif{1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); pclose_(&b); if (a.mem) munmap(a.mem, a.len); b = reg("reopen excl: all released", "abif{1", NR_REG_ALL_NIC, 0, NR_EXCLUSIVE, 0,0,0,0,0,0); pclose_(&b);
	printf("== 14. mmap variants\n");
	a = reg("pipe", "abig{1", NR_REG_ALL_NIC, 0, 0, 0,0,0,0,0,0); { void *p; p = mmap(NULL, a.len + (64<<20), PROT_READ|PROT_WRITE, MAP_SHARED, a.fd, 0); printf("  mmap len memsize+64M -> %s\n", p == MAP_FAILED ? ename(errno) : "ok"); p = mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, a.fd, 4096); printf("  mmap 4096 at off 4096 -> %s\n", p == MAP_FAILED ? ename(errno) : "ok"); p = mmap(NULL, a.len, PROT_READ|PROT_WRITE, MAP_PRIVATE, a.fd, 0); printf("  mmap MAP_PRIVATE rw -> %s\n", p == MAP_FAILED ? ename(errno) : "ok"); p = mmap(NULL, a.len, PROT_READ, MAP_SHARED, a.fd, 0); printf("  mmap PROT_READ -> %s\n", p == MAP_FAILED ? ename(errno) : "ok"); ssize_t n2 = read(a.fd, buf, 8); e = n2 < 0 ? errno : 0; printf("  read(bound) -> %zd %s\n", n2, ename(e)); }
	pclose_(&a);
	return 0;
}
/* NOLINTEND */
