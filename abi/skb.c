// SPDX-License-Identifier: GPL-2.0-only
/* Received packets, and the queue that hands them to a worker. */
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "unbuckle.h"

bool ub_skb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return pskb_may_pull(skb, len);
}

/* Cut what follows the first len bytes, keeping a received checksum right. */
bool ub_skb_trim_checked(struct sk_buff *skb, unsigned int len)
{
	return !pskb_trim_rcsum(skb, len);
}

bool ub_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

/*
 * Sent to this host alone, at the link and at the network layer. The packet
 * has been routed (LOCAL_IN or later) and skb->data need not be its IP header.
 */
bool ub_skb_for_host(const struct sk_buff *skb)
{
	const struct rtable *rt = skb_rtable(skb);

	if (skb->pkt_type != PACKET_HOST)
		return false;
	if (skb->protocol == htons(ETH_P_IPV6))
		return !ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr);
	return !rt || !(rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST));
}

/* The host's IPsec policies let this packet in; sockets ask the same. */
bool ub_skb_ipsec_ok(struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return xfrm6_policy_check(NULL, XFRM_POLICY_IN, skb);
	return xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb);
}

/*
 * Where the UDP header of an IPv6 packet begins, counted from skb->data (the
 * IPv6 header); negative for another protocol and for fragments.
 */
int ub_skb_udp6_offset(struct sk_buff *skb)
{
	unsigned int offset = 0;
	int flags = IP6_FH_F_FRAG, proto;

	proto = ipv6_find_hdr(skb, &offset, -1, NULL, &flags);
	if (proto != IPPROTO_UDP || (flags & IP6_FH_F_FRAG))
		return -ENOENT;
	return offset;
}

void ub_skb_set_transport(struct sk_buff *skb, unsigned int offset)
{
	skb_set_transport_header(skb, offset);
}

unsigned int ub_skb_transport(const struct sk_buff *skb)
{
	return skb_transport_offset(skb);
}

/* AF_INET, AF_INET6 or 0. */
unsigned int ub_skb_family(const struct sk_buff *skb)
{
	switch (skb->protocol) {
	case htons(ETH_P_IP):
		return AF_INET;
	case htons(ETH_P_IPV6):
		return AF_INET6;
	}
	return AF_UNSPEC;
}

/* Take skb->data back from the UDP header to the network header. */
void ub_skb_to_network(struct sk_buff *skb)
{
	__skb_push(skb, -skb_network_offset(skb));
}

/*
 * The packet leaves the RCU section that delivered it: drop what that section
 * alone keeps alive (the route), and what would hold others up while it waits
 * (the sender's socket, the connection tracking entry).
 */
void ub_skb_detach(struct sk_buff *skb)
{
	skb_dst_drop(skb);
	skb_orphan(skb);
	nf_reset_ct(skb);
}

void ub_skb_drop(struct sk_buff *skb)
{
	kfree_skb(skb);
}

struct net_device *ub_skb_dev(const struct sk_buff *skb)
{
	return skb->dev;
}

void ub_dev_hold(struct net_device *dev)
{
	dev_hold(dev);
}

void ub_dev_put(struct net_device *dev)
{
	dev_put(dev);
}

void ub_queue_init(struct ub_queue *queue)
{
	skb_queue_head_init(&queue->list);
	queue->bytes = 0;
	queue->consumer = NULL;
}

/* From now on consumer serves the queue, or (NULL) nobody does. */
void ub_queue_serve(struct ub_queue *queue, struct task_struct *consumer)
{
	spin_lock_bh(&queue->list.lock);
	queue->consumer = consumer;
	spin_unlock_bh(&queue->list.lock);
}

/*
 * Multi producer, single consumer. 0: queued; -ENOBUFS: full; -ESHUTDOWN:
 * nobody serves the queue; in both cases the caller keeps the packet. Callers
 * have bottom halves off.
 */
int ub_queue_push(struct ub_queue *queue, struct sk_buff *skb,
		  unsigned int max_bytes)
{
	int err = 0;

	spin_lock(&queue->list.lock);
	if (!queue->consumer) {
		err = -ESHUTDOWN;
	} else if (queue->bytes >= max_bytes) {
		err = -ENOBUFS;
	} else {
		__skb_queue_tail(&queue->list, skb);
		queue->bytes += skb->truesize;
		/*
		 * Only now: a consumer that finds the queue empty has said
		 * before that it is about to sleep (ub_kthread_wait()).
		 */
		if (skb_queue_len(&queue->list) == 1)
			wake_up_process(queue->consumer);
	}
	spin_unlock(&queue->list.lock);
	return err;
}

/* All that waits, in one go; batch belongs to the caller and needs no lock. */
void ub_queue_take(struct ub_queue *queue, struct ub_queue *batch)
{
	spin_lock(&queue->list.lock);
	skb_queue_splice_tail_init(&queue->list, &batch->list);
	queue->bytes = 0;
	spin_unlock(&queue->list.lock);
}

struct sk_buff *ub_queue_pop(struct ub_queue *batch)
{
	return __skb_dequeue(&batch->list);
}
