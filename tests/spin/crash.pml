/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exchange of a pipe whose users are killed, at any step, and come back.
 *
 * Stands for exchange_resume(), exchange_nudge() and own_wake_open() (src/soft/exchange.c), beside what sleep.pml has.
 *
 *   mutants  NO_NUDGE NO_QUIET WRONG_TAIL
 *
 * Checked: every packet that was published is received, in order and whole, and again at most if its receiver
 * was killed before it gave it back; nobody sleeps for ever while packets are left, when both have come back;
 * with -l: nobody runs for ever for a signal that was meant for somebody else.
 */
#define SLOTS 2
#include "exchange.inc"

#define PACKETS 2

byte sent, given_back; /* of all users of a side; change with the index */
bool kill_now[2];

/* One of the two, at any moment, or neither. */
active proctype killer()
{
	if
	:: kill_now[SENDER] = true
	:: kill_now[RECEIVER] = true
	:: true
	fi
}

/* exchange_resume() and exchange_nudge(), positions apart; what the last user of the end owed is forgotten. */
inline resume(who, peer)
{
	atomic {
		owed = 0; armed = false; quiet = false;
		waiting[who] = false
	}
#ifndef NO_NUDGE
	waiting[peer] = false;
	wake[peer]++
#endif
}

/* own_wake_open(), before the first arm. */
inline open_wake(who)
{
	if
	:: !opened -> opened = true; wake[who] = 0
	:: else -> skip
	fi
}

inline send()
{
	slot[head] = sent + 1;
	atomic { sent++; published = next(head) }
	seen = waiting[RECEIVER];
	if
	:: seen -> wake_peer(RECEIVER)
	:: else -> skip
	fi;
	head = next(head)
}

active proctype sender()
{
	byte head, tail;
	bool opened;
	LOCALS;

again:	{
		opened = false;
		head = published;
#ifdef WRONG_TAIL
		tail = (head + SLOTS - 1) % SLOTS; /* as if all had been received */
#else
		tail = (released + SLOTS - 1) % SLOTS;
#endif
		resume(SENDER, RECEIVER);
		do
		:: sent == PACKETS -> break
		:: sent < PACKETS && head != tail -> send()
		:: sent < PACKETS && head == tail ->
			tail = (released + SLOTS - 1) % SLOTS;
			if
			:: head != tail -> skip
			:: else ->
				open_wake(SENDER);
				arm(SENDER, (released != (tail + 1) % SLOTS));
				if
				:: news -> skip
				:: else -> wake[SENDER] > 0
				fi
			fi
		od
	} unless { kill_now[SENDER] }
	if
	:: kill_now[SENDER] -> kill_now[SENDER] = false; goto again
	:: else -> skip
	fi
}

active proctype receiver()
{
	byte got, head, given, tail;
	bool opened;
	LOCALS;

again:	{
		opened = false;
		atomic { head = released; got = given_back; given = head; tail = head }
		resume(RECEIVER, SENDER);
		do
		:: if
			:: head != given ->
				atomic { given = head; released = head; given_back = got }
				seen = waiting[SENDER];
				if
				:: seen -> wake_peer(SENDER)
				:: else -> skip
				fi
			:: else -> skip
			fi;
			tail = published;
			if
			:: head != tail ->
progress:			got++;
				assert(slot[head] == got);
				head = next(head)
			:: else ->
				open_wake(RECEIVER);
				arm(RECEIVER, (published != tail));
				if
				:: news -> skip
				:: !news && got < PACKETS -> wake[RECEIVER] > 0
				:: !news && got == PACKETS ->
end_idle:				wake[RECEIVER] > 0
				fi
			fi
		od
	} unless { kill_now[RECEIVER] }
	kill_now[RECEIVER] = false;
	goto again
}
