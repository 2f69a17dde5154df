/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is to know of a received packet, for the other files here. */
#ifndef UNBUCKLE_LOOK_H
#define UNBUCKLE_LOOK_H

#include <linux/if_arp.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "policy.h"
#include "unbuckle.h"

/* It came by an Ethernet device that belongs to no VRF, with its link header. */
static __always_inline bool is_plain(const struct sk_buff *skb,
				     const struct net_device *dev)
{
	/* A link header that is not there begins far behind. */
	return dev->type == ARPHRD_ETHER && dev->hard_header_len == ETH_HLEN &&
	       skb->network_header - skb->mac_header == ETH_HLEN &&
	       !netif_is_l3_slave(dev) && !netif_is_l3_master(dev);
}

/* Nothing but the device itself has a say in what leaves by it. */
static __always_inline bool is_direct(const struct sk_buff *skb,
				      const struct net_device *dev)
{
	return is_plain(skb, dev) &&
	       !ub_has_policy(dev_net(dev), XFRM_POLICY_OUT);
}

/*
 * Nothing that a reply would have to get rid of hangs on the buffer: no fragments,
 * no foreign memory, no time stamp that a sender waits for, no word of segments.
 */
static __always_inline bool is_bare(const struct sk_buff *skb)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	/* Nearly all of that stands in the first eight bytes. */
	BUILD_BUG_ON(offsetof(struct skb_shared_info, flags) != 0 ||
		     offsetofend(struct skb_shared_info, gso_segs) != sizeof(u64));
	return !*(const u64 *)shared && !(shared->gso_type | skb->data_len);
}

static __always_inline bool is_own(const struct sk_buff *skb)
{
	return !skb_shared(skb) && !skb_cloned(skb) && !skb_pfmemalloc(skb) &&
	       is_bare(skb);
}

/*
 * Sent to this host alone, at the link and at the network layer. The packet
 * has been routed (LOCAL_IN or later) and skb->data need not be its IP header.
 */
static __always_inline bool is_for_host_of(const struct sk_buff *skb,
					   bool ipv6)
{
	const struct rtable *rt = skb_rtable(skb);

	if (skb->pkt_type != PACKET_HOST)
		return false;
	if (ipv6)
		return !ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr);
	return !rt || !(rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST));
}

static __always_inline bool is_for_host(const struct sk_buff *skb)
{
	return is_for_host_of(skb, skb->protocol == htons(ETH_P_IPV6));
}

static __always_inline bool is_verified(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_UNNECESSARY ||
	       skb->ip_summed == CHECKSUM_PARTIAL;
}

static __always_inline bool asks_policies(const struct sk_buff *skb)
{
	return secpath_exists(skb) ||
	       ub_has_policy(dev_net(skb->dev), XFRM_POLICY_IN);
}

/* Every reply of one datagram fits the device. */
static __always_inline bool is_wide(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu) >= UB_MTU_WIDE;
}

/*
 * Nothing but what may be answered in its own packet, without a further look. What
 * has ever been a clone is looked at closely.
 */
static __always_inline bool is_usual(const struct sk_buff *skb)
{
	return is_verified(skb) && !skb_shared(skb) &&
	       !(skb->cloned || skb->pfmemalloc) && is_bare(skb) &&
	       is_plain(skb, skb->dev) && is_wide(skb->dev) &&
	       ub_has_no_policy(dev_net(skb->dev));
}

static __always_inline u64 found(u32 facts)
{
	return (u64)raw_smp_processor_id() << UB_CPU_SHIFT | facts;
}

/* Out of line, so that the usual packet pays for questions alone. */
u64 ub_look_closely(const struct sk_buff *skb, u32 facts);

#endif /* UNBUCKLE_LOOK_H */
