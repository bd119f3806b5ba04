/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port-name grammar: every row of it, and the requests made from names.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "name/name.h"
#include "name/request.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct name parse(const char *text)
{
	struct name name;
	struct name_error error;

	if (name_parse(text, &name, &error) != 0)
		fail_msg("%s", error.message);
	return name;
}

struct line {
	char text[1024];
	size_t len;
};

static void add(struct line *line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line->len +=
	    (size_t)vsnprintf(line->text + line->len, sizeof(line->text) - line->len, format, args);
	va_end(args);
	assert_true(line->len < sizeof(line->text));
}

static void add_options(struct line *line, const struct name *name)
{
	const struct name_conf *conf = &name->conf, none = {0};
	const struct name_extmem *extmem = &name->extmem;

	if (name->mem_id != 0)
		add(line, " region=%u", name->mem_id);
	if (name->share[0] != '\0')
		add(line, " share=%s", name->share);
	if (memcmp(conf, &none, sizeof(none)) != 0)
		add(line, " rings=%u/%u host=%u/%u slots=%u/%u", conf->tx_rings, conf->rx_rings,
		    conf->host_tx_rings, conf->host_rx_rings, conf->tx_slots, conf->rx_slots);
	if (extmem->present)
		add(line, " file=%s if=%u*%u ring=%u*%u buf=%u*%u", extmem->file, extmem->if_num,
		    extmem->if_size, extmem->ring_num, extmem->ring_size, extmem->buf_num,
		    extmem->buf_size);
	if (name->offset.present)
		add(line, " offset=%u bits=%u", name->offset.initial, name->offset.bits);
}

/* All that a name holds, in one line: kind, device, [ident], then whatever is not the default. */
static void describe(const struct name *name, struct line *line)
{
	static const char *const modes[] = {[NR_REG_SW] = " host",
	    [NR_REG_NIC_SW] = " nic+host",
	    [NR_REG_ONE_NIC] = " nic",
	    [NR_REG_ONE_SW] = " host"};

	line->len = 0;
	add(line, "%s %s [%s]", name->kind, name->device, name->ident);
	if (name->pipe_role != 0 || name->pipe_id[0] != '\0')
		add(line, " %c%s", name->pipe_role, name->pipe_id);
	if (name->mode != NR_REG_ALL_NIC)
		add(line, "%s", modes[name->mode]);
	if (name->ring != 0 || name->mode == NR_REG_ONE_NIC || name->mode == NR_REG_ONE_SW)
		add(line, " ring %u", name->ring);
	if (name->flags != 0)
		add(line, " flags=%llx", (unsigned long long)name->flags);
	add_options(line, name);
	if (name->body[0] != '\0')
		add(line, " body=%s", name->body);
}

struct row {
	const char *text, *description;
};

static void assert_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct name name = parse(rows[i].text);
		struct line line;

		describe(&name, &line);
		assert_string_equal(line.text, rows[i].description);
	}
}

static void kinds_and_identifiers(void **state)
{
	static const struct row rows[] = {
	    {"eth0", "netmap eth0 [eth0]"},
	    {"netmap:eth0", "netmap eth0 [eth0]"},
	    {"eth0.100", "netmap eth0.100 [eth0.100]"},
	    {"_a-b.c_9Z", "netmap _a-b.c_9Z [_a-b.c_9Z]"},
	    {"pipe", "netmap pipe [pipe]"},
	    {"null", "netmap null [null]"},
	    {"vale0:p", "vale vale0:p [vale0:p]"},
	    {"vale:p", "vale vale:p [vale:p]"},
	    {"valeXX_9:p.1-a", "vale valeXX_9:p.1-a [valeXX_9:p.1-a]"},
	    {"netmap:vale0:p", "vale vale0:p [vale0:p]"},
	    {"kernel:eth0", "kernel eth0 [eth0]"},
	    {"kernel:vale0:p", "kernel vale0:p [vale0:p]"},
	    {"netmap:kernel:eth0", "kernel eth0 [eth0]"},
	    {"xdp:eth0", "xdp xdp:eth0 [eth0]"},
	    {"packet:eth0.1", "packet packet:eth0.1 [eth0.1]"},
	    {"netmap:packet:eth0", "packet packet:eth0 [eth0]"},
	    {"tap:t0", "tap tap:t0 [t0]"},
	    {"host:eth0", "host host:eth0 [eth0]"},
	    {"null:", "null null: []"},
	    {"null:x", "null null:x [x]"},
	    {"loop:", "loop loop: []"},
	    {"loop:a", "loop loop:a [a]"},
	    {"pcap:eth0", "pcap pcap:eth0 [eth0]"},
	    {"pcap:/a b/c-3.pcap", "pcap pcap:/a b/c-3.pcap [/a b/c-3.pcap]"},
	    {"pcap:./\xc3\xa9:x", "pcap pcap:./\xc3\xa9:x [./\xc3\xa9:x]"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static void faults_keep_their_body_as_it_is(void **state)
{
#define BODY "drop=1%,seed=7@fault:x@eth0-3/x@conf:rings=2"
	static const struct row row = {"fault:" BODY, "fault fault:" BODY " [] body=" BODY};

	(void)state;
	assert_rows(&row, 1);
#undef BODY
}

static void pipes_have_a_parent_an_id_and_a_role(void **state)
{
	static const struct row rows[] = {
	    {"eth0{1", "netmap eth0{1 [eth0] {1"},
	    {"netmap:eth0}1", "netmap eth0}1 [eth0] }1"},
	    {"eth0-3{a-b.c", "netmap eth0-3{a-b.c [eth0-3] {a-b.c"},
	    {"vale0:p{x", "vale vale0:p{x [vale0:p] {x"},
	    {"vale0:p}x", "vale vale0:p}x [vale0:p] }x"},
	    {"kernel:eth0}x", "kernel eth0}x [eth0] }x"},
	    {"packet:eth0{x", "packet packet:eth0{x [eth0] {x"},
	    {"loop:a}x", "loop loop:a}x [a] }x"},
	    {"pipes{1", "netmap pipes{1 [pipes] {1"},
	    {"pipe{demo}", "pipe pipe{demo} [demo] *demo"},
	    {"netmap:pipe{a-1.b_}", "pipe pipe{a-1.b_} [a-1.b_] *a-1.b_"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static void modes_and_rings(void **state)
{
	static const struct row rows[] = {
	    {"eth0^", "netmap eth0 [eth0] host"},
	    {"eth0^0", "netmap eth0 [eth0] host ring 0"},
	    {"eth0^12", "netmap eth0 [eth0] host ring 12"},
	    {"eth0^4094", "netmap eth0 [eth0] host ring 4094"},
	    {"eth0*", "netmap eth0 [eth0] nic+host"},
	    {"eth0-3", "netmap eth0 [eth0] nic ring 3"},
	    {"eth0-0003", "netmap eth0 [eth0] nic ring 3"},
	    {"eth0-4094", "netmap eth0 [eth0] nic ring 4094"},
	    {"netmap:eth0.100-1", "netmap eth0.100 [eth0.100] nic ring 1"},
	    {"kernel:eth0^", "kernel eth0 [eth0] host"},
	    {"vale0:p-1", "vale vale0:p [vale0:p] nic ring 1"},
	    {"eth0{1-2", "netmap eth0{1 [eth0] {1 nic ring 2"},
	    {"pipe{demo}-2", "pipe pipe{demo} [demo] *demo nic ring 2"},
	    {"pipe-2", "netmap pipe [pipe] nic ring 2"},
	    {"null:-2", "null null: [] nic ring 2"},
	    {"loop:a-2", "loop loop:a [a] nic ring 2"},
	    {"xdp:eth0*/x", "xdp xdp:eth0 [eth0] nic+host flags=800"},
	    {"pcap:eth0^", "pcap pcap:eth0 [eth0] host"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static void a_dash_is_a_ring_only_before_final_digits(void **state)
{
	static const struct row rows[] = {
	    {"veth-a", "netmap veth-a [veth-a]"},
	    {"veth-1a", "netmap veth-1a [veth-1a]"},
	    {"veth-", "netmap veth- [veth-]"},
	    {"br-12-lan", "netmap br-12-lan [br-12-lan]"},
	    {"veth-a-7", "netmap veth-a [veth-a] nic ring 7"},
	    {"veth--7", "netmap veth- [veth-] nic ring 7"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static const struct flag {
	char letter;
	uint32_t value;
} all_flags[] = {
    {'x', NR_EXCLUSIVE},
    {'z', NR_ZCOPY_MON},
    {'t', NR_MONITOR_TX},
    {'r', NR_MONITOR_RX},
    {'R', NR_RX_RINGS_ONLY},
    {'T', NR_TX_RINGS_ONLY},
};

/* The flags whose places in the table are the base-6 digits of `number`, `len` of them. */
static void check_flags(unsigned number, size_t len)
{
	char text[32] = "eth0-3/";
	size_t at = strlen(text);
	uint64_t flags = 0;

	for (; len > 0; len--, number /= COUNT(all_flags)) {
		const struct flag *flag = &all_flags[number % COUNT(all_flags)];

		text[at++] = flag->letter;
		flags |= flag->value;
	}
	assert_int_equal(parse(text).flags, flags);
}

static void flags_come_in_any_order_and_number(void **state)
{
	static const struct row rows[] = {
	    {"eth0@2/x", "netmap eth0 [eth0] flags=800 region=2"},
	    {"pipe{demo}/xR", "pipe pipe{demo} [demo] *demo flags=2800"},
	};
	unsigned count = 1;

	(void)state;
	for (size_t len = 1; len <= COUNT(all_flags); len++) {
		count *= COUNT(all_flags);
		for (unsigned number = 0; number < count; number++)
			check_flags(number, len);
	}
	assert_rows(rows, COUNT(rows));
}

static void memory_regions(void **state)
{
	static const struct row rows[] = {
	    {"eth0@1", "netmap eth0 [eth0] region=1"},
	    {"eth0^2/xT@65535", "netmap eth0 [eth0] host ring 2 flags=4800 region=65535"},
	    {"eth0@offset=1@7", "netmap eth0 [eth0] region=7 offset=1 bits=0"},
	    {"eth0@share=vale0:p", "netmap eth0 [eth0] share=vale0:p"},
	    {"eth0@share=netmap:eth1}x@offset=1",
		"netmap eth0 [eth0] share=eth1}x offset=1 bits=0"},
	    {"eth0@share:port=pipe{a}", "netmap eth0 [eth0] share=pipe{a}"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static void conf_sets_rings_and_slots(void **state)
{
#define LO "loop loop: [] "
	static const struct row rows[] = {
	    {"loop:@conf:rings=2", LO "rings=2/2 host=0/0 slots=0/0"},
	    {"loop:@conf=2", LO "rings=2/2 host=0/0 slots=0/0"},
	    {"loop:@conf:tx-rings=1", LO "rings=1/0 host=0/0 slots=0/0"},
	    {"loop:@conf:rx-rings=65535", LO "rings=0/65535 host=0/0 slots=0/0"},
	    {"loop:@conf:host-rings=3", LO "rings=0/0 host=3/3 slots=0/0"},
	    {"loop:@conf:host-tx-rings=4", LO "rings=0/0 host=4/0 slots=0/0"},
	    {"loop:@conf:host-rx-rings=5", LO "rings=0/0 host=0/5 slots=0/0"},
	    {"loop:@conf:slots=6", LO "rings=0/0 host=0/0 slots=6/6"},
	    {"loop:@conf:tx-slots=4294967295", LO "rings=0/0 host=0/0 slots=4294967295/0"},
	    {"loop:@conf:rx-slots=7,tx-slots=0", LO "rings=0/0 host=0/0 slots=0/7"},
	    {"loop:@conf:rings=2,slots=64@1", LO "region=1 rings=2/2 host=0/0 slots=64/64"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static void one_direction_wins_over_both_in_any_order(void **state)
{
	static const struct row rows[] = {
	    {"loop:@conf:rings=2,tx-rings=1,host-rings=3,host-rx-rings=4,slots=5,rx-slots=6",
		LO "rings=1/2 host=3/4 slots=5/6"},
	    {"loop:@conf:rx-slots=6,slots=5,host-rx-rings=4,host-rings=3,tx-rings=1,rings=2",
		LO "rings=1/2 host=3/4 slots=5/6"},
	    {"loop:@conf:tx-rings=0,rings=2", LO "rings=0/2 host=0/0 slots=0/0"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
}

static void extmem_and_offset(void **state)
{
	static const struct row rows[] = {
	    {"loop:@extmem:if-num=1,if-size=2,ring-num=3,ring-size=4,file=/a:b=c d,buf-num=5,"
	     "buf-size=6@conf=1",
		LO "rings=1/1 host=0/0 slots=0/0 file=/a:b=c d if=1*2 ring=3*4 buf=5*6"},
	    {"loop:@extmem=/dev/shm/x", LO "file=/dev/shm/x if=0*0 ring=0*0 buf=0*0"},
	    {"loop:@offset:bits=64,initial=4294967295", LO "offset=4294967295 bits=64"},
	    {"loop:@offset=0", LO "offset=0 bits=0"},
	};

	(void)state;
	assert_rows(rows, COUNT(rows));
#undef LO
}

static void a_device_name_reads_back_as_itself(void **state)
{
	static const char *const texts[] = {"eth0-3", "veth-1{2-3", "veth--1", "veth-a-1",
	    "eth0.100^", "vale0:p}x/x", "kernel:eth0*", "packet:eth0-1", "null:-1", "loop:a@1",
	    "pipe{a-1}-2", "pcap:a-3@1", "fault:x@eth0-3", "netmap:xdp:eth0@conf=1"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct name name = parse(texts[i]), again = parse(name.device);

		assert_string_equal(again.device, name.device);
		assert_string_equal(again.ident, name.ident);
		assert_string_equal(again.pipe_id, name.pipe_id);
		assert_string_equal(again.body, name.body);
		assert_int_equal(again.pipe_role, name.pipe_role);
		assert_int_equal(again.mode, NR_REG_ALL_NIC);
	}
}

static void requests_carry_the_whole_name(void **state)
{
	struct name name = parse("netmap:vale0:p}x-3/xT@9@conf:tx-rings=1,rx-rings=2,"
				 "host-tx-rings=3,host-rx-rings=4,tx-slots=5,rx-slots=6");
	struct nmreq_header header;
	struct nmreq_register body;

	(void)state;
	memset(&header, 0xff, sizeof(header));
	memset(&body, 0xff, sizeof(body));
	assert_int_equal(name_format_request(&name, &header, &body), 0);
	assert_int_equal(header.nr_version, NETMAP_API);
	assert_int_equal(header.nr_reqtype, NETMAP_REQ_REGISTER);
	assert_int_equal(header.nr_reserved, 0);
	assert_string_equal(header.nr_name, "vale0:p}x");
	assert_int_equal(header.nr_options, 0);
	assert_true(header.nr_body == (uintptr_t)&body);
	assert_int_equal(body.nr_mode, NR_REG_ONE_NIC);
	assert_int_equal(body.nr_ringid, 3);
	assert_int_equal(body.nr_flags, NR_EXCLUSIVE | NR_TX_RINGS_ONLY);
	assert_int_equal(body.nr_mem_id, 9);
	assert_int_equal(body.nr_tx_rings, 1);
	assert_int_equal(body.nr_rx_rings, 2);
	assert_int_equal(body.nr_host_tx_rings, 3);
	assert_int_equal(body.nr_host_rx_rings, 4);
	assert_int_equal(body.nr_tx_slots, 5);
	assert_int_equal(body.nr_rx_slots, 6);
	assert_int_equal(body.nr_offset, 0);
	assert_int_equal(body.nr_memsize, 0);
	assert_int_equal(body.nr_extra_bufs, 0);
}

static void requests_refuse_what_they_cannot_carry(void **state)
{
	struct name name = parse("eth0"), empty = {.mode = NR_REG_ALL_NIC};
	struct nmreq_header header = {.nr_version = 1};
	struct nmreq_register body = {.nr_offset = 1};

	(void)state;
	name.conf.host_rx_rings = 65536;
	assert_int_equal(name_format_request(&name, &header, &body), -EINVAL);
	assert_int_equal(name_format_request(&empty, &header, &body), -EINVAL);
	assert_int_equal(header.nr_version, 1);
	assert_int_equal(body.nr_offset, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kinds_and_identifiers),
	    cmocka_unit_test(faults_keep_their_body_as_it_is),
	    cmocka_unit_test(pipes_have_a_parent_an_id_and_a_role),
	    cmocka_unit_test(modes_and_rings),
	    cmocka_unit_test(a_dash_is_a_ring_only_before_final_digits),
	    cmocka_unit_test(flags_come_in_any_order_and_number),
	    cmocka_unit_test(memory_regions),
	    cmocka_unit_test(conf_sets_rings_and_slots),
	    cmocka_unit_test(one_direction_wins_over_both_in_any_order),
	    cmocka_unit_test(extmem_and_offset),
	    cmocka_unit_test(a_device_name_reads_back_as_itself),
	    cmocka_unit_test(requests_carry_the_whole_name),
	    cmocka_unit_test(requests_refuse_what_they_cannot_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
