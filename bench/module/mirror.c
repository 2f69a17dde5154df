// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device with the whole world behind it, which answers every IPv4 UDP
 * packet itself: with the same bytes, or with as many bytes of reply as the
 * request's memcached header asks for in its reserved field (loadgen run
 * --expect mirror), in datagrams of at most piece= bytes of them. What a client
 * costs that talks to it is the client's own share of any exchange: its system
 * calls, and the stack below them down to a device and back.
 *
 * The device's own work is no part of that. It keeps a record of it in TSC
 * ticks, which under bench/boot are instructions: spent= for packets= requests.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <asm/msr.h>
#include <net/ip.h>

static uint piece = 1392;
module_param(piece, uint, 0644);
MODULE_PARM_DESC(piece, "bytes of reply in a datagram, at most");

/* One CPU, one client: nobody else writes these. */
static ulong spent;
module_param(spent, ulong, 0644);
static ulong packets;
module_param(packets, ulong, 0644);

static struct net_device *mirror;

/* What precedes the text of a request and of a reply. */
struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct {
		__be16 id;
		__be16 seq;
		__be16 total;
		__be16 reserved;
	} frame;
} __packed;

/* Makes a linear packet hold so many bytes of text, and part of a reply. */
static int resize(struct sk_buff *skb, unsigned int text, unsigned int seq,
		  unsigned int total)
{
	unsigned int old = skb->len, len = sizeof(struct headers) + text;
	struct headers *h;
	int err;

	if (len <= old) {
		skb_trim(skb, len);
	} else {
		if (skb_tailroom(skb) < len - old) {
			err = pskb_expand_head(skb, 0, len - old, GFP_ATOMIC);
			if (err)
				return err;
		}
		skb_put_zero(skb, len - old);
	}
	h = (struct headers *)skb->data;
	h->udp.len = htons(len - offsetof(struct headers, udp));
	h->ip.tot_len = htons(len - ETH_HLEN);
	ip_send_check(&h->ip);
	h->frame.seq = htons(seq);
	h->frame.total = htons(total);
	h->frame.reserved = 0;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return 0;
}

/* Puts the rest of the reply that begins with first into list. */
static int rest(const struct sk_buff *first, unsigned int text,
		unsigned int total, struct sk_buff_head *list)
{
	unsigned int seq, part;
	struct sk_buff *skb;

	for (seq = 1; seq < total; seq++, text -= part) {
		part = min(text, piece);
		skb = alloc_skb(NET_SKB_PAD + sizeof(struct headers) + part, GFP_ATOMIC);
		if (!skb)
			return -ENOMEM;
		__skb_queue_tail(list, skb);
		skb_reserve(skb, NET_SKB_PAD);
		skb_put_data(skb, first->data, sizeof(struct headers));
		if (resize(skb, part, seq, total))
			return -ENOMEM;
	}
	return 0;
}

/* Turns a packet round, and makes a reply of it; further packets go to list. */
static int answer(struct sk_buff *skb, struct sk_buff_head *list)
{
	unsigned int text, first;
	struct headers *h;
	u8 mac[ETH_ALEN];

	if (skb_linearize(skb) || skb->len < sizeof(*h))
		return -EINVAL;
	h = (struct headers *)skb->data;
	if (h->eth.h_proto != htons(ETH_P_IP) ||
	    h->ip.protocol != IPPROTO_UDP || h->ip.ihl != 5)
		return -EINVAL;
	swap(h->udp.source, h->udp.dest);
	swap(h->ip.saddr, h->ip.daddr);
	ether_addr_copy(mac, h->eth.h_source);
	ether_addr_copy(h->eth.h_source, h->eth.h_dest);
	ether_addr_copy(h->eth.h_dest, mac);

	text = ntohs(h->frame.reserved);
	if (text && piece) {
		unsigned int total = DIV_ROUND_UP(text, piece);

		first = min(text, piece);
		if (resize(skb, first, 0, total) ||
		    rest(skb, text - first, total, list))
			return -ENOMEM;
	}
	return 0;
}

static netdev_tx_t mirror_xmit(struct sk_buff *skb, struct net_device *dev)
{
	u64 start = rdtsc();
	struct sk_buff_head list;
	int err;

	__skb_queue_head_init(&list);
	err = answer(skb, &list);
	skb_orphan(skb);
	skb_dst_drop(skb);
	__skb_queue_head(&list, skb);
	if (err) {
		__skb_queue_purge(&list);
		return NETDEV_TX_OK;
	}
	skb_queue_walk(&list, skb)
		skb->protocol = eth_type_trans(skb, dev);
	packets++;
	spent += rdtsc() - start;
	while ((skb = __skb_dequeue(&list)))
		netif_rx(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops mirror_ops = {
	.ndo_start_xmit = mirror_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

/* Queueless, and with the offloads that a client meets on veth. */
static void mirror_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &mirror_ops;
	dev->priv_flags |= IFF_NO_QUEUE;
	dev->lltx = true;
	dev->max_mtu = IP_MAX_MTU;
	dev->features |= NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM |
			 NETIF_F_RXCSUM | NETIF_F_HIGHDMA;
	dev->hw_features |= dev->features;
	eth_hw_addr_random(dev);
}

static int __init mirror_init(void)
{
	int err;

	mirror = alloc_netdev(0, "mirror0", NET_NAME_USER, mirror_setup);
	if (!mirror)
		return -ENOMEM;
	err = register_netdev(mirror);
	if (err)
		free_netdev(mirror);
	return err;
}

static void __exit mirror_exit(void)
{
	unregister_netdev(mirror);
	free_netdev(mirror);
}

module_init(mirror_init);
module_exit(mirror_exit);
MODULE_DESCRIPTION("A network device that answers with the question");
MODULE_LICENSE("GPL");
