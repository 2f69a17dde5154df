// SPDX-License-Identifier: GPL-2.0-only
/* Empty packets, made beforehand, so that none is allocated where it is sent. */
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "unbuckle.h"

/*
 * One context takes packets, another one makes them; neither waits. made less
 * taken are there, or just being added; he who makes may see some more, and then
 * makes fewer.
 */
struct ub_stock {
	/* Of him who takes. */
	struct llist_node *at_hand;
	unsigned int taken;
	/* Of him who makes. */
	unsigned int wanted;
	unsigned int room;
	struct work_struct work;
	unsigned int made ____cacheline_aligned_in_smp;
	struct llist_head fresh;
};

static void fill(struct work_struct *work)
{
	struct ub_stock *stock = container_of(work, struct ub_stock, work);

	while (ub_stock_add(stock))
		cond_resched();
}

/* An empty stock for so many packets of room bytes. May sleep. */
struct ub_stock *ub_stock_new(unsigned int wanted, unsigned int room)
{
	struct ub_stock *stock = kzalloc(sizeof(*stock), GFP_KERNEL);

	if (!stock)
		return NULL;
	init_llist_head(&stock->fresh);
	INIT_WORK(&stock->work, fill);
	stock->wanted = wanted;
	stock->room = room;
	return stock;
}

/* Makes a packet. False: there are enough, or there is no memory at once. */
bool ub_stock_add(struct ub_stock *stock)
{
	struct sk_buff *skb;

	if (stock->made - READ_ONCE(stock->taken) >= stock->wanted)
		return false;
	skb = alloc_skb(stock->room, GFP_NOWAIT | __GFP_NOWARN);
	if (!skb)
		return false;
	WRITE_ONCE(stock->made, stock->made + 1);
	llist_add(&skb->ll_node, &stock->fresh);
	return true;
}

/* Has the system's workqueue add packets until there are enough. */
void ub_stock_order(struct ub_stock *stock)
{
	schedule_work(&stock->work);
}

/* A packet with headroom bytes before its data; NULL when none is left. */
struct sk_buff *ub_stock_take(struct ub_stock *stock, unsigned int headroom)
{
	struct llist_node *node = stock->at_hand;
	struct sk_buff *skb;

	if (!node)
		node = llist_del_all(&stock->fresh);
	if (!node)
		return NULL;
	stock->at_hand = node->next;
	WRITE_ONCE(stock->taken, stock->taken + 1);
	skb = llist_entry(node, struct sk_buff, ll_node);
	skb_mark_not_on_list(skb);
	skb_reserve(skb, headroom);
	return skb;
}

/* How many are left, for him who takes. */
unsigned int ub_stock_left(const struct ub_stock *stock)
{
	return READ_ONCE(stock->made) - stock->taken;
}

/* The system's workqueue adds nothing any more, until it is asked anew. May sleep. */
void ub_stock_settle(struct ub_stock *stock)
{
	cancel_work_sync(&stock->work);
}

/* Nobody takes or makes any more, but perhaps the workqueue. May sleep. */
void ub_stock_free(struct ub_stock *stock)
{
	struct sk_buff *skb;

	cancel_work_sync(&stock->work);
	while ((skb = ub_stock_take(stock, 0)))
		consume_skb(skb);
	kfree(stock);
}
