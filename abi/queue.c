// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue that hands packets to a worker: many producers, who have bottom halves
 * off and are in an RCU section, and one consumer. Nobody waits for anybody.
 */
#include <linux/llist.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/skbuff.h>

#include "detach.h"
#include "unbuckle.h"

/* In a queue's load: packets in the upper half, bytes of their memory in the lower. */
#define ONE_PACKET (1ULL << 32)

static __always_inline u64 load_of(const struct sk_buff *skb)
{
	return ONE_PACKET + skb->truesize;
}

/* The answer of these three may be old at once. */
bool ub_queue_is_empty(const struct ub_queue *queue)
{
	return llist_empty(&queue->newest);
}

unsigned int ub_queue_len(const struct ub_queue *queue)
{
	return upper_32_bits(atomic64_read(&queue->load));
}

unsigned int ub_queue_bytes(const struct ub_queue *queue)
{
	return lower_32_bits(atomic64_read(&queue->load));
}

void ub_queue_init(struct ub_queue *queue)
{
	init_llist_head(&queue->newest);
	atomic64_set(&queue->load, 0);
	RCU_INIT_POINTER(queue->consumer, NULL);
}

/*
 * From now on consumer serves the queue, or (NULL) nobody does: who has seen the last
 * one is done with it a grace period later.
 */
void ub_queue_serve(struct ub_queue *queue, struct task_struct *consumer)
{
	rcu_assign_pointer(queue->consumer, consumer);
}

/*
 * 0: queued, and the packet outlives the RCU section that delivered it: it has a
 * reference to its device. -ENOBUFS: those that wait hold max_bytes of memory already;
 * -ESHUTDOWN: nobody serves the queue; in both cases the packet is as it was.
 */
int ub_queue_push(struct ub_queue *queue, struct sk_buff *skb,
		  unsigned int max_bytes)
{
	struct task_struct *consumer = rcu_dereference(queue->consumer);
	u64 load;

	if (unlikely(!consumer))
		return -ESHUTDOWN;
	load = atomic64_fetch_add(load_of(skb), &queue->load);
	if (unlikely(lower_32_bits(load) >= max_bytes)) {
		atomic64_sub(load_of(skb), &queue->load);
		return -ENOBUFS;
	}
	dev_hold(skb->dev);
	ub_skb_detach(skb);
	/*
	 * The first one wakes the consumer, who has said that it is about to sleep
	 * before it found the queue empty (ub_kthread_wait()).
	 */
	if (llist_add(&skb->ll_node, &queue->newest))
		wake_up_process(consumer);
	return 0;
}

/*
 * All that waits, in one go: the oldest packet, from which next leads to the others,
 * the last one's being NULL. Whoever takes one out of that row clears its next.
 */
struct sk_buff *ub_queue_take(struct ub_queue *queue)
{
	struct llist_node *newer = llist_del_all(&queue->newest);
	struct sk_buff *first = NULL;
	u64 load = 0;

	while (newer) {
		struct sk_buff *skb = llist_entry(newer, struct sk_buff, ll_node);

		newer = newer->next;
		skb->next = first;
		first = skb;
		load += load_of(skb);
	}
	if (first)
		atomic64_sub(load, &queue->load);
	return first;
}
