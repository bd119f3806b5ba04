/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping and waking at an exchange: two rings that share their slots, a sender and a receiver.
 *
 * Stands for exchange_txsync(), exchange_rxsync(), exchange_moved(), exchange_wake_peer(), exchange_arm(),
 * mark_set(), take_signals(), exchange_disarm()
 * (src/soft/exchange.{h,c}), rearm() (ring.c) and sleep_until() (poll.c).
 *
 * Statements are sequentially consistent here; where the code's ordering matters, a mutant lets the two
 * accesses change places, which is what a processor's store buffer does.
 *
 *   USER     WAIT   both sides call loom_port_wait()
 *            LEVEL  the receiver has its descriptor in an event loop
 *            EDGE   … and is told of each signal once
 *   mutants  WEAK_MOVE WEAK_MARK WEAK_PUBLISH NO_LOOK NO_OWED NO_REARM NO_REMARK
 *
 * Checked: no deadlock while packets are left (a lost wakeup is one), slots are whole when received, and with
 * -l: nobody runs for ever without packets to take.
 */
#include "exchange.inc"

#ifndef PACKETS
#define PACKETS 4
#endif

#define WAIT  1
#define LEVEL 2
#define EDGE  3
#ifndef USER
#define USER WAIT
#endif

active proctype sender()
{
	byte sent, head, tail = SLOTS - 1, seen_released;
	LOCALS;

	do
	:: sent == PACKETS -> break
	:: sent < PACKETS && head != tail -> /* room */
#ifdef WEAK_PUBLISH
		move_index(published, next(head), RECEIVER);
		slot[head] = sent + 1;
#else
		slot[head] = sent + 1;
		move_index(published, next(head), RECEIVER);
#endif
		head = next(head);
		sent++
	:: sent < PACKETS && head == tail ->
		seen_released = released;
		tail = (seen_released + SLOTS - 1) % SLOTS;
		if
		:: head != tail -> skip
		:: else ->
			arm(SENDER, (released != (tail + 1) % SLOTS));
			if
			:: news -> skip
			:: else -> wake[SENDER] > 0 /* poll() */
			fi
		fi
	od
}

/* The move of a receiver's sync: give back what was taken, see what there is. */
inline rx_move()
{
	if
	:: head != given ->
		given = head;
		move_index(released, given, SENDER)
	:: else -> skip
	fi;
	tail = published
}

inline take_packets()
{
	do
	:: head != tail ->
progress:	got++;
		assert(slot[head] == got);
		head = next(head)
	:: else -> break
	od
}

#if USER == WAIT
active proctype receiver()
{
	byte got, head, given, tail;
	LOCALS;

	do
	:: rx_move();
		if
		:: head != tail -> take_packets()
		:: else ->
			arm(RECEIVER, (published != tail));
			if
			:: news -> skip
			:: !news && got < PACKETS -> wake[RECEIVER] > 0 /* poll() */
			:: !news && got == PACKETS ->
end_idle:			wake[RECEIVER] > 0
			fi
		fi
	od
}
#else
/* A sync of a ring whose descriptor somebody watches: ring_sync_unusual() with rearm(). */
inline rx_sync()
{
	rx_move();
	if
	:: head == tail ->
		arm(RECEIVER, (published != tail));
		if
#ifndef NO_REARM
		:: news -> rx_move()
#endif
		:: else -> skip
		fi
	:: else -> disarm(RECEIVER)
	fi
}

inline wait_event()
{
#if USER == EDGE
	atomic { edge; edge = false }
#else
	wake[RECEIVER] > 0
#endif
}

/* The rule of loom_port_fd(): sync until there is nothing to do, then wait for the descriptor. */
active proctype receiver()
{
	byte got, head, given, tail;
	LOCALS;

	do
	:: rx_sync();
		if
		:: head != tail -> take_packets()
		:: head == tail && got < PACKETS -> wait_event()
		:: head == tail && got == PACKETS ->
end_idle:		wait_event()
		fi
	od
}
#endif
