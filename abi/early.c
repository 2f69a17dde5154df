// SPDX-License-Identifier: GPL-2.0-only
/* Packets that the host's stack has not looked at yet, and devices that come and go. */
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/netfilter_bridge.h>
#include <linux/percpu.h>
#include <linux/rtnetlink.h>
#include <linux/unaligned.h>
#include <net/addrconf.h>
#include <net/ip_fib.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "look.h"
#include "unbuckle.h"

/*
 * Pairs of IPv4 addresses that were found right, on this CPU, for a device, while
 * the generation of the namespace's routes was that. Every change of an address,
 * of a local route, and every device that goes up or down makes it another
 * (rt_cache_flush()), after the change itself and before whoever asked for it is
 * told; so looking it up first makes an answer that is old at most as old as one
 * that was just got. A device that goes has lost its addresses before.
 */
struct known {
	u64 addresses;
	u32 ifindex;
	u32 generation;
};

#define KNOWN_BITS 6

static DEFINE_PER_CPU_ALIGNED(struct known[1 << KNOWN_BITS], known);

static bool look_up_addresses4(const struct net_device *dev,
			       const struct iphdr *ip)
{
	const struct in_device *in_dev = __in_dev_get_rcu(dev);
	const struct in_ifaddr *ifa;

	if (!in_dev || ipv4_is_loopback(ip->saddr))
		return false;
	in_dev_for_each_ifa_rcu(ifa, in_dev)
		if (ifa->ifa_local == ip->daddr)
			return inet_addr_type(dev_net(dev), ip->saddr) ==
			       RTN_UNICAST;
	return false;
}

/* They stand side by side. */
static __always_inline u64 both_addresses(const struct iphdr *ip)
{
	BUILD_BUG_ON(offsetof(struct iphdr, daddr) !=
		     offsetof(struct iphdr, saddr) + sizeof(ip->saddr));
	return get_unaligned((const u64 *)&ip->saddr);
}

/* Bottom halves are off, and nothing on this CPU comes in between. */
static noinline bool get_to_know(const struct net_device *dev,
				 const struct iphdr *ip, struct known *slot,
				 u32 generation)
{
	/* Generation first: pairs with whoever changes something and then that. */
	smp_rmb();
	if (!look_up_addresses4(dev, ip))
		return false;
	/* Where softirqs are preempted, half of it could be another's. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		*slot = (struct known){
			.addresses = both_addresses(ip),
			.ifindex = dev->ifindex,
			.generation = generation,
		};
	return true;
}

/*
 * From another host's unicast address to one of the device's own, for a packet
 * whose network header is linear, at skb->data. IPv4 as ip_route_input_slow()
 * would say, but for rp_filter; addresses of other devices are left to it.
 */
static __always_inline bool is_addressed4(const struct sk_buff *skb)
{
	const struct iphdr *ip = (const struct iphdr *)skb->data;
	const struct net_device *dev = skb->dev;
	struct known *slot = this_cpu_ptr(&known[hash_32((__force u32)ip->saddr,
							 KNOWN_BITS)]);
	u32 generation = rt_genid_ipv4(dev_net(dev));

	if (likely(slot->addresses == both_addresses(ip) &&
		   slot->ifindex == dev->ifindex &&
		   slot->generation == generation))
		return true;
	return get_to_know(dev, ip, slot, generation);
}

/*
 * The same of IPv6 addresses. Its generation changes with every route that is
 * added, which an address brings along, and when an address has gone.
 */
struct known6 {
	struct in6_addr source;
	struct in6_addr destination;
	u32 ifindex;
	u32 generation;
};

static DEFINE_PER_CPU_ALIGNED(struct known6[1 << KNOWN_BITS], known6);

/* Addresses that are still being tried are nobody's. */
static bool look_up_addresses6(const struct net_device *dev,
			       const struct ipv6hdr *ip)
{
	struct net *net = dev_net(dev);
	int source = ipv6_addr_type(&ip->saddr);

	return (source & IPV6_ADDR_UNICAST) &&
	       !(source & (IPV6_ADDR_LOOPBACK | IPV6_ADDR_MAPPED)) &&
	       ipv6_chk_addr(net, &ip->daddr, dev, 0) &&
	       !ipv6_chk_addr(net, &ip->saddr, NULL, 0);
}

/* As get_to_know(). */
static noinline bool get_to_know6(const struct net_device *dev,
				  const struct ipv6hdr *ip,
				  struct known6 *slot, u32 generation)
{
	smp_rmb();
	if (!look_up_addresses6(dev, ip))
		return false;
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		*slot = (struct known6){
			.source = ip->saddr,
			.destination = ip->daddr,
			.ifindex = dev->ifindex,
			.generation = generation,
		};
	return true;
}

/* As is_addressed4(), for IPv6. */
static __always_inline bool is_addressed6(const struct sk_buff *skb)
{
	const struct ipv6hdr *ip = (const struct ipv6hdr *)skb->data;
	const struct net_device *dev = skb->dev;
	struct known6 *slot = this_cpu_ptr(&known6[hash_32(ipv6_addr_hash(&ip->saddr),
							   KNOWN_BITS)]);
	u32 generation = rt_genid_ipv6(dev_net(dev));

	if (likely(ipv6_addr_equal(&slot->source, &ip->saddr) &&
		   ipv6_addr_equal(&slot->destination, &ip->daddr) &&
		   slot->ifindex == dev->ifindex &&
		   slot->generation == generation))
		return true;
	return get_to_know6(dev, ip, slot, generation);
}

/* For this host, and with nothing that the stack would have to take off: no VLAN tag, no tunnel. */
static __always_inline bool is_fresh(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST && !skb_vlan_tag_present(skb) &&
	       !skb_dst(skb) && !skb->encapsulation;
}

/*
 * Of one that is not usual: there may be something to look up or to refuse first (bridges that
 * filter, IPsec, VRFs), or a device has merged several.
 */
static noinline u64 look_closely(const struct sk_buff *skb, u32 facts)
{
	const struct net_device *dev = skb->dev;

	if (!is_fresh(skb) || nf_bridge_info_exists(skb) ||
	    skb_shared(skb) || skb_is_gso(skb) ||
	    dev->type != ARPHRD_ETHER || netif_is_l3_master(dev) ||
	    netif_is_l3_slave(dev) || asks_policies(skb))
		return UB_STRANGE;
	return ub_look_closely(skb, facts);
}

/*
 * What there is to know of a packet that the stack has not routed yet, or not looked at
 * at all, and whose network header is linear, at skb->data. UB_STRANGE if it is not one
 * frame of IPv4, for this host, ours to change, from another host's unicast address to
 * one of the device's own, in which there is nothing for the stack to do first.
 */
u64 ub_skb_look_early4(struct sk_buff *skb)
{
	if (skb->protocol != htons(ETH_P_IP) || !is_addressed4(skb))
		return UB_STRANGE;
	if (likely(is_fresh(skb) && !skb_has_extensions(skb) && is_usual(skb)))
		return found(0);
	return look_closely(skb, 0);
}

/* The same of IPv6. */
u64 ub_skb_look_early6(const struct sk_buff *skb)
{
	if (skb->protocol != htons(ETH_P_IPV6) || !is_addressed6(skb))
		return UB_STRANGE;
	return look_closely(skb, UB_IPV6);
}

/* The device that a notifier was called for. */
struct net_device *ub_notified_dev(void *info)
{
	return netdev_notifier_info_to_dev(info);
}

/* The caller has the RTNL, or the device is being registered or going away. */
bool ub_dev_has_name(const struct net_device *dev, const char *name)
{
	return !strncmp(dev->name, name, IFNAMSIZ);
}
