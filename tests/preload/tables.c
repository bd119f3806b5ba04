/* SPDX-License-Identifier: BSD-2-Clause */
/* Walking tables of requests. */
#include "tables.h"

#include <unistd.h>

static int held[HOLDERS_MAX];
static size_t num_held;
static unsigned failures;

void holders_open(const struct holder *holders, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct holder *h = &holders[i];
		struct nmreq_port_hdr header = {.nr_hdr_len = h->header};
		struct nmreq_register reg = {.nr_mode = h->mode,
		    .nr_flags = h->flags,
		    .nr_tx_rings = h->rings,
		    .nr_rx_rings = h->rings};

		held[num_held++] = netmap_open();
		assert_int_equal(control(held[i], h->name, NETMAP_REQ_REGISTER, &reg, NULL), 0);
		if (h->header)
			assert_int_equal(
			    control(held[i], h->name, NETMAP_REQ_PORT_HDR_SET, &header, NULL), 0);
	}
}

void holders_close(void)
{
	while (num_held > 0)
		close(held[--num_held]);
}

int holder_fd(size_t n)
{
	assert_in_range(n, 1, num_held);
	return held[n - 1];
}

const char *error_name(int error)
{
	return error ? strerror(error) : "success";
}

void table_check(const char *table, size_t row, const char *what, int got, int error, int today)
{
	if (got == (today ? today : error))
		return;
	failures++;
	if (today && got == error)
		print_error("%s, row %zu (%s): the module's answer by now; remove `today`\n", table,
		    row, what);
	else
		print_error("%s, row %zu (%s): %s instead of %s\n", table, row, what,
		    error_name(got), error_name(today ? today : error));
}

void table_end(void)
{
	unsigned n = failures;

	failures = 0;
	if (n)
		fail_msg("%u rows differ", n);
}
