/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random programs that take each step twice, on the device and on its model, and compare the two: rings'
 * head, cur and tail, the slots that the program owns and the beginnings of their buffers, and what calls returned.
 *
 * PKTLOOM_TEST_SEED=N in the environment repeats one sequence, with all its steps.
 */
#ifndef MODEL_PROGRAM_H
#define MODEL_PROGRAM_H

#include "support.h"

#include <stdio.h>

#include "device/device.h"
#include "model.h"

#define PROGRAM_STEPS 120u
#define PROGRAM_RINGS 2u
#define PROGRAM_LOST  64u

struct ring_pair {
	struct netmap_ring *device;
	struct model_ring model;
};

/** Buffers of a region whose index somebody overwrote. */
struct lost {
	uint32_t n, at[PROGRAM_LOST];
};

struct port {
	struct device *device; /* NULL: closed */
	struct device_map map;
	uint32_t number;
	uint64_t flags;
	struct ring_pair tx[PROGRAM_RINGS], rx[PROGRAM_RINGS];
	uint32_t num_tx, num_rx;
	struct lost *lost;
	bool spoils_rx; /* released slots may be bad, too */
	/** The model's sync of one ring. */
	int (*sync)(struct port *port, bool tx, uint32_t i);
	/** Fill in a slot that is to be sent; its buffer is good. */
	void (*fill)(const struct port *port, struct model_slot *slot);
};

/* What a failure will be told with. */
struct program {
	uint32_t seed, random, step;
	char log[PROGRAM_STEPS * 96];
	size_t logged;
	void (*compare)(void); /* all ports that are open */
};

extern struct program program;

void program_start(uint32_t seed);

uint32_t below(uint32_t n);
bool chance(uint32_t percent);

void noted(int n);
#define note(...)                                                                                  \
	noted(snprintf(                                                                            \
	    program.log + program.logged, sizeof program.log - program.logged, __VA_ARGS__))

/* Not by cmocka, which cuts long messages off. */
void tell(void);

#define DIFFERS(...)                                                                               \
	do {                                                                                       \
		tell();                                                                            \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

/** Open a device and bind it; reg comes back as the device fills it in. */
void port_bind(
    struct port *port, const char *name, struct nmreq_register *reg, uint32_t buffer_size);

/** Flags of a REGISTER that change what poll does. */
uint64_t some_flags(void);

/** The model of a ring takes over what the device's ring begins with. */
void link_start(struct model_link *link, const struct port *port, struct netmap_ring *ring);

void port_close(struct port *port);
void port_compare(const struct port *port);

/** Any one thing that a program does with an open port. */
void port_act(struct port *port);

/** Run sequences of that many seeds, or the one that the environment names. */
void program_run(uint32_t seeds, void (*sequence)(uint32_t seed));

#endif
