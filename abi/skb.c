// SPDX-License-Identifier: GPL-2.0-only
/* Received packets. */
#include <linux/skbuff.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "look.h"
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

unsigned int ub_skb_transport(const struct sk_buff *skb)
{
	return skb_transport_offset(skb);
}

/* Take skb->data back from the UDP header to the network header. */
void ub_skb_to_network(struct sk_buff *skb)
{
	__skb_push(skb, -skb_network_offset(skb));
}

/* What more there is to know of a packet that is not usual. */
u64 ub_look_closely(const struct sk_buff *skb, u32 facts)
{
	if (!is_verified(skb))
		facts |= UB_UNVERIFIED;
	if (!is_own(skb))
		facts |= UB_FOREIGN;
	if (!is_direct(skb, skb->dev))
		facts |= UB_INDIRECT;
	if (!is_wide(skb->dev))
		facts |= UB_NARROW;
	return found(facts);
}

static noinline u64 look_at_stranger(const struct sk_buff *skb)
{
	u32 facts = 0;

	if (skb_is_gso(skb))
		facts |= UB_MERGED;
	if (!is_for_host(skb))
		facts |= UB_NOT_FOR_HOST;
	if (asks_policies(skb))
		facts |= UB_POLICY;
	return ub_look_closely(skb, facts);
}

/* Of a packet at LOCAL_IN, all that there is to know of it: UB_MERGED and so on. */
static __always_inline u64 look(const struct sk_buff *skb, bool ipv6)
{
	/* A merged packet is not bare, and so not usual. */
	if (likely(is_for_host_of(skb, ipv6) && !secpath_exists(skb) &&
		   is_usual(skb)))
		return found(0);
	return look_at_stranger(skb);
}

u64 ub_skb_look4(const struct sk_buff *skb)
{
	return look(skb, false);
}

u64 ub_skb_look6(const struct sk_buff *skb)
{
	return look(skb, true);
}

/* The same of one that UDP has delivered to a socket. */
u64 ub_skb_look_late(const struct sk_buff *skb)
{
	u32 facts = is_for_host(skb) ? 0 : UB_NOT_FOR_HOST;

	if (skb->protocol == htons(ETH_P_IPV6))
		facts |= UB_IPV6;
	return ub_look_closely(skb, facts);
}

void ub_skb_drop(struct sk_buff *skb)
{
	kfree_skb(skb);
}

/* Of its device: bytes of the network layer and above. */
unsigned int ub_skb_mtu(const struct sk_buff *skb)
{
	return READ_ONCE(skb->dev->mtu);
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

/* Of its VRF, or 0. */
unsigned int ub_dev_vrf(struct net_device *dev)
{
	return l3mdev_master_ifindex(dev);
}

unsigned int ub_dev_index(const struct net_device *dev)
{
	return dev->ifindex;
}
