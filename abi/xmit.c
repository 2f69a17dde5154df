// SPDX-License-Identifier: GPL-2.0-only
/* Replies: packets to fill, headers' places, routes. */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/skbuff_ref.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/udp.h>

#include "detach.h"
#include "unbuckle.h"

/* The packet's link header; valid unless UB_INDIRECT is among its facts. */
u8 *ub_skb_mac(const struct sk_buff *skb)
{
	return skb_mac_header(skb);
}

/* 2^order pages as one, with a count of references. */
static const unsigned int sheet_order = ilog2(UB_SHEET_LEN / 4096) -
					(PAGE_SHIFT - 12);

struct page *ub_sheet_new(void)
{
	BUILD_BUG_ON(UB_SHEET_LEN < PAGE_SIZE);
	return alloc_pages(GFP_KERNEL | __GFP_NORETRY | __GFP_COMP |
			   __GFP_NOWARN, sheet_order);
}

void *ub_sheet_base(struct page *page)
{
	return page_address(page);
}

/* No packet has it. What they did with it happened before. */
bool ub_sheet_is_idle(struct page *page)
{
	if (page_count(page) != 1)
		return false;
	smp_acquire__after_ctrl_dep();
	return true;
}

void ub_sheet_put(struct page *page)
{
	put_page(page);
}

/* Append len bytes of a sheet to a packet. False: it has as many parts as it can. */
bool ub_skb_attach(struct sk_buff *skb, struct page *page, unsigned int offset,
		   unsigned int len)
{
	unsigned int parts = skb_shinfo(skb)->nr_frags;

	if (parts >= MAX_SKB_FRAGS)
		return false;
	/* Whoever sent it gets back what it was charged, not what it becomes. */
	skb_orphan(skb);
	get_page(page);
	skb_fill_page_desc(skb, parts, page, offset, len);
	skb_len_add(skb, len);
	skb->truesize += ALIGN(len, 64) - len;
	return true;
}

/* Of a packet that nobody else has a part of: as the kernel does with its own. */
static __always_inline void free_buffer(struct sk_buff *skb)
{
	if (!skb->head_frag)
		kfree(skb->head);
	else
		skb_page_unref(page_to_netmem(virt_to_page(skb->head)),
			       skb->pp_recycle);
}

/*
 * Give a packet (not UB_FOREIGN) another buffer in place of its own, and have its
 * data begin there: size bytes of a sheet, UB_BUFFER_END at their end included. What
 * pskb_expand_head() does, but for the copy.
 */
void ub_skb_move(struct sk_buff *skb, struct page *page, u8 *buffer,
		 unsigned int size)
{
	/* Whoever sent it gets back what it was charged, not what it becomes. */
	skb_orphan(skb);
	free_buffer(skb);
	get_page(page);
	build_skb_around(skb, buffer, size);
	skb->pp_recycle = 0;
	skb->cloned = 0;
	skb->nohdr = 0;
	skb->hdr_len = 0;
}

/* What was appended to it, in parts. */
unsigned int ub_skb_parts(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->nr_frags;
}

/*
 * Have the UDP payload be count datagrams of size bytes, the last one perhaps
 * shorter, that travel as one packet as far as they can.
 */
void ub_skb_merge(struct sk_buff *skb, unsigned int size, unsigned int count)
{
	struct skb_shared_info *shared = skb_shinfo(skb);

	shared->gso_type = SKB_GSO_UDP_L4;
	shared->gso_size = size;
	shared->gso_segs = count;
}

struct sk_buff *ub_skb_blank(unsigned int headroom, unsigned int room)
{
	struct sk_buff *skb = alloc_skb(headroom + room, GFP_ATOMIC);

	if (skb)
		skb_reserve(skb, headroom);
	return skb;
}

/* What a received packet tells of its way here is no business of a reply's. */
static __always_inline void forget_way(struct sk_buff *skb)
{
	skb->pkt_type = PACKET_HOST;
	skb->ignore_df = 0;
	skb->skb_iif = 0;
	skb->mark = 0;
	skb->priority = 0;
	skb->encapsulation = 0;
	skb_ext_reset(skb);
	nf_reset_trace(skb);
	ipvs_reset(skb);
	skb_clear_tstamp(skb);
	skb_clear_hash(skb);
	skb_reset_redirect(skb);
	__vlan_hwaccel_clear_tag(skb);
#ifdef CONFIG_NET_SWITCHDEV
	skb->offload_fwd_mark = 0;
	skb->offload_l3_fwd_mark = 0;
#endif
}

/* The same, and what it holds. */
static __always_inline void forget(struct sk_buff *skb)
{
	ub_skb_detach(skb);
	forget_way(skb);
}

/*
 * Make a packet that is ours alone (not UB_FOREIGN) blank, to be filled and sent:
 * empty, with headroom bytes before its data.
 */
void ub_skb_recycle(struct sk_buff *skb, unsigned int headroom)
{
	forget(skb);
	memset(skb->cb, 0, sizeof(skb->cb));
	skb->ip_summed = CHECKSUM_NONE;
	skb->data = skb->head + headroom;
	skb_reset_tail_pointer(skb);
	skb_unset_mac_header(skb);
	skb->len = 0;
}

/*
 * The UDP checksum is left to the device, or to who sends the packet for it.
 * The sum of the pseudo-header stands in its place.
 */
static __always_inline void leave_checksum(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb->transport_header;
	skb->csum_offset = offsetof(struct udphdr, check);
}

/* Have the packet end where its reply does, and begin with the link header. */
static __always_inline void turn(struct sk_buff *skb, unsigned int shift,
				 unsigned int transport, unsigned int len)
{
	if (shift) {
		skb->data += shift;
		skb_reset_network_header(skb);
	}
	skb_set_transport_header(skb, transport);
	skb_set_tail_pointer(skb, len);
	/* Which sets the place of the link header; its length is as it was. */
	skb->data -= ETH_HLEN;
	skb->len = len + ETH_HLEN + skb->data_len;
	leave_checksum(skb);
}

/*
 * Send a packet (neither UB_FOREIGN nor UB_INDIRECT) that was made its own reply
 * in its own buffer, on the device that it came by, which the caller keeps alive.
 * The reply's network header is shift bytes behind skb->data, the request's; len
 * bytes from there on, and what was attached; headers complete but for the UDP
 * checksum, where the sum of the pseudo-header stands; the UDP header transport
 * bytes behind the network header.
 */
int ub_skb_send_back(struct sk_buff *skb, unsigned int shift,
		     unsigned int transport, unsigned int len)
{
	turn(skb, shift, transport, len);
	/* Last, since it calls others now and then. */
	forget(skb);
	return dev_queue_xmit(skb);
}

/* The same with the reply where the request was. */
int ub_skb_send_answered(struct sk_buff *skb, unsigned int transport,
			 unsigned int len)
{
	turn(skb, 0, transport, len);
	forget(skb);
	return dev_queue_xmit(skb);
}

/* Of one with a reference to the device, which ends here. */
static __always_inline int send_kept(struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;
	int verdict;

	/* It has waited in a queue, for which it was detached. */
	forget_way(skb);
	verdict = dev_queue_xmit(skb);
	dev_put(dev);
	return verdict;
}

/* As ub_skb_send_back(), of such a one. */
int ub_skb_send_kept_back(struct sk_buff *skb, unsigned int shift,
			  unsigned int transport, unsigned int len)
{
	turn(skb, shift, transport, len);
	return send_kept(skb);
}

/* As ub_skb_send_answered(), of such a one. */
int ub_skb_send_kept_answered(struct sk_buff *skb, unsigned int transport,
			      unsigned int len)
{
	turn(skb, 0, transport, len);
	return send_kept(skb);
}

/* The data now begins with the UDP header. */
void ub_skb_mark_udp(struct sk_buff *skb)
{
	skb_reset_transport_header(skb);
	leave_checksum(skb);
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

/* Identifications that are unique per destination, for packets without DF. */
void ub_ip_ident(struct net *net, struct sk_buff *skb)
{
	__ip_select_ident(net, ip_hdr(skb), skb_shinfo(skb)->gso_segs ?: 1);
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
