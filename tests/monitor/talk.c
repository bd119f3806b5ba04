/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers of talk.h. */
#include "talk.h"

#include <sys/mman.h>
#include <unistd.h>

struct talk *talk;

int talk_group_setup(void **state)
{
	(void)state;
	scratch_directory();
	talk = mmap(NULL, sizeof *talk, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return talk == MAP_FAILED ? -1 : 0;
}

int talk_setup(void **state)
{
	(void)state;
	memset(talk, 0, sizeof *talk);
	return 0;
}

bool reached(const uint32_t *word, uint32_t value)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {
		if (now_ms() > deadline)
			return false;
		usleep(200);
	}
	return true;
}

bool step_done(uint32_t step)
{
	__atomic_store_n(&talk->step, step, __ATOMIC_RELEASE);
	return reached(&talk->wanted, step);
}

void go_on(uint32_t step)
{
	__atomic_store_n(&talk->wanted, step, __ATOMIC_RELEASE);
}

void wait_for(uint32_t step)
{
	assert_true(reached(&talk->step, step));
}

bool sees(const struct loom_rxring *rx, uint32_t first, unsigned n, uint16_t txmon)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	struct loom_frame frame = {0};

	for (uint32_t number = first; number < first + n;) {
		if (loom_rx_sync(rx) != 0 || now_ms() > deadline)
			return false;
		for (; loom_recv(rx, &frame); number++)
			if (frame.len != packet_len(number) ||
			    !packet_is(frame.data, frame.len, number) ||
			    (frame.flags & NS_TXMON) != txmon)
				return false;
	}
	return true;
}

void round_trip(
    const struct loom_txring *tx, const struct loom_rxring *rx, uint32_t first, unsigned n)
{
	packets_send(tx, first, n);
	packets_expect(rx, first, n, 0);
	assert_ok(loom_rx_sync(rx));
	assert_ok(loom_tx_sync(tx));
}
