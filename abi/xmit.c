// SPDX-License-Identifier: GPL-2.0-only
/* Replies: packets to fill, headers' places, routes. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/l3mdev.h>
#include <net/route.h>
#include <net/udp.h>

#include "unbuckle.h"

/* Whether any policy has a say in what the namespace sends. */
static bool has_ipsec(const struct net *net)
{
#ifdef CONFIG_XFRM
	return net->xfrm.policy_count[XFRM_POLICY_OUT] ||
	       net->xfrm.policy_default[XFRM_POLICY_OUT] == XFRM_USERPOLICY_BLOCK;
#else
	return false;
#endif
}

void ub_link_of(const struct sk_buff *skb, struct net_device *dev,
		struct ub_link *link)
{
	link->mtu = READ_ONCE(dev->mtu);
	link->ifindex = dev->ifindex;
	link->ethernet = dev->type == ARPHRD_ETHER &&
			 dev->hard_header_len == ETH_HLEN;
	link->loopback = dev->flags & IFF_LOOPBACK;
	link->vrf = l3mdev_master_ifindex(dev);
	link->ipsec = has_ipsec(dev_net(dev));
	link->has_mac = skb_mac_header_was_set(skb) &&
			skb_network_offset(skb) - skb_mac_offset(skb) == ETH_HLEN;
}

/* Valid when ub_link_of() said has_mac. */
const u8 *ub_skb_mac(const struct sk_buff *skb)
{
	return skb_mac_header(skb);
}

struct sk_buff *ub_skb_blank(unsigned int headroom, unsigned int room)
{
	struct sk_buff *skb = alloc_skb(headroom + room, GFP_ATOMIC);

	if (skb)
		skb_reserve(skb, headroom);
	return skb;
}

/*
 * Make a received packet blank, to be filled and sent: empty, with headroom
 * bytes before its data and room after. False, and nothing changed, when its
 * buffer is too small or not its own.
 */
bool ub_skb_recycle(struct sk_buff *skb, unsigned int headroom,
		    unsigned int room)
{
	if (skb_shared(skb) || skb_cloned(skb) || skb_is_nonlinear(skb) ||
	    skb_zcopy(skb) || skb_pfmemalloc(skb) ||
	    skb_end_offset(skb) < headroom + room)
		return false;

	skb_scrub_packet(skb, true);
	skb_orphan(skb);
	skb_clear_hash(skb);
	skb_reset_redirect(skb);
	__vlan_hwaccel_clear_tag(skb);
	skb_shinfo(skb)->gso_size = 0;
	skb_shinfo(skb)->gso_segs = 0;
	skb_shinfo(skb)->gso_type = 0;
	skb->encapsulation = 0;
	skb->priority = 0;
	skb->ip_summed = CHECKSUM_NONE;
	skb->data = skb->head + headroom;
	skb_reset_tail_pointer(skb);
	skb_unset_mac_header(skb);
	skb->len = 0;
	memset(skb->cb, 0, sizeof(skb->cb));
	return true;
}

void ub_skb_mark_transport(struct sk_buff *skb)
{
	skb_reset_transport_header(skb);
}

void ub_skb_mark_network(struct sk_buff *skb, unsigned int family)
{
	skb_reset_network_header(skb);
	skb->protocol = htons(family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
}

void ub_skb_mark_mac(struct sk_buff *skb, struct net_device *dev)
{
	skb_reset_mac_header(skb);
	skb->mac_len = ETH_HLEN;
	skb->dev = dev;
}

/* The header checksum of an IPv4 packet whose header is in place. */
void ub_ip_checksum(struct sk_buff *skb)
{
	ip_send_check(ip_hdr(skb));
}

/* An identification that is unique per destination, for a packet without DF. */
void ub_ip_ident(struct net *net, struct sk_buff *skb)
{
	__ip_select_ident(net, ip_hdr(skb), 1);
}

int ub_route4(struct net *net, struct sk_buff *skb, const u8 *saddr,
	      const u8 *daddr, u16 sport, u16 dport, int oif)
{
	struct flowi4 fl4 = {
		.flowi4_oif = oif,
		.flowi4_proto = IPPROTO_UDP,
		.flowi4_scope = RT_SCOPE_UNIVERSE,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
		.fl4_sport = htons(sport),
		.fl4_dport = htons(dport),
	};
	struct rtable *rt;

	memcpy(&fl4.saddr, saddr, sizeof(fl4.saddr));
	memcpy(&fl4.daddr, daddr, sizeof(fl4.daddr));
	rt = ip_route_output_flow(net, &fl4, NULL);
	if (IS_ERR(rt))
		return PTR_ERR(rt);
	skb_dst_set(skb, &rt->dst);
	skb->dev = rt->dst.dev;
	skb->ignore_df = 1;
	return 0;
}

int ub_route6(struct net *net, struct sk_buff *skb, const u8 *saddr,
	      const u8 *daddr, u16 sport, u16 dport, int oif)
{
	struct flowi6 fl6 = {
		.flowi6_oif = oif,
		.flowi6_proto = IPPROTO_UDP,
		.fl6_sport = htons(sport),
		.fl6_dport = htons(dport),
	};
	struct dst_entry *dst;
	int err;

	memcpy(&fl6.saddr, saddr, sizeof(fl6.saddr));
	memcpy(&fl6.daddr, daddr, sizeof(fl6.daddr));
	dst = ip6_route_output(net, NULL, &fl6);
	err = dst->error;
	if (err) {
		dst_release(dst);
		return err;
	}
	skb_dst_set(skb, dst);
	skb->dev = dst->dev;
	skb->ignore_df = 1;
	return 0;
}

/* The checksum of a whole UDP datagram at skb->data, left to the device. */
void ub_udp_csum4(struct sk_buff *skb, const u8 *saddr, const u8 *daddr)
{
	__be32 s, d;

	memcpy(&s, saddr, sizeof(s));
	memcpy(&d, daddr, sizeof(d));
	udp_set_csum(false, skb, s, d, skb->len);
}

void ub_udp_csum6(struct sk_buff *skb, const u8 *saddr, const u8 *daddr)
{
	struct in6_addr s, d;

	memcpy(&s, saddr, sizeof(s));
	memcpy(&d, daddr, sizeof(d));
	udp6_set_csum(false, skb, &s, &d, skb->len);
}
