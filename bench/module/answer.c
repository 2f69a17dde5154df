// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two ways from a stored value to a reply, at LOCAL_IN, without a store: every
 * IPv4 UDP packet for one port is answered with as many bytes of text as its
 * memcached header asks for in its reserved field (loadgen run --expect mirror).
 *
 *   kept=0  the text is copied: into the request's own packet, or where that is
 *           too small into a page that is attached to it
 *   kept=1  a whole packet is kept for each item: headers are written into it, a
 *           clone of it is sent, and the request is freed
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/net_namespace.h>

#define ITEMS 1024
#define AROUND 64	/* text around a value, at most */
#define PAGES 16	/* of 2^3 pages each */
#define PAGES_LEN (PAGE_SIZE << 3)

static bool kept;
module_param(kept, bool, 0444);
MODULE_PARM_DESC(kept, "send clones of kept packets");

static uint size = 32;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes of the value kept in each packet");

static ushort port = 11211;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "UDP port");

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be16 frame[4];
} __packed;

static struct sk_buff *items[ITEMS];
static struct page *pages[PAGES];
static u8 *store;
static unsigned int next, page, used;

/* Answers the request that came with from, in to, which has len bytes of text. */
static void write_headers(struct headers *to, const struct headers *from,
			  unsigned int len)
{
	struct iphdr ip = from->ip;
	struct udphdr udp = from->udp;
	__be16 id = from->frame[0];
	u8 mac[ETH_ALEN];

	ether_addr_copy(mac, from->eth.h_source);
	ether_addr_copy(to->eth.h_source, from->eth.h_dest);
	ether_addr_copy(to->eth.h_dest, mac);
	to->eth.h_proto = htons(ETH_P_IP);
	len += sizeof(to->frame);
	to->udp.source = udp.dest;
	to->udp.dest = udp.source;
	to->udp.len = htons(len + sizeof(udp));
	to->ip = (struct iphdr) {
		.version = 4,
		.ihl = 5,
		.frag_off = htons(IP_DF),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(len + sizeof(udp) + sizeof(ip)),
		.saddr = ip.daddr,
		.daddr = ip.saddr,
	};
	to->ip.check = ip_fast_csum(&to->ip, 5);
	to->udp.check = ~csum_tcpudp_magic(ip.daddr, ip.saddr,
					   len + sizeof(udp), IPPROTO_UDP, 0);
	to->frame[0] = id;
	to->frame[1] = 0;
	to->frame[2] = htons(1);
	to->frame[3] = 0;
}

static void send(struct sk_buff *skb, struct net_device *dev)
{
	skb->dev = dev;
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb->transport_header;
	skb->csum_offset = offsetof(struct udphdr, check);
	skb->pkt_type = PACKET_OUTGOING;
	dev_queue_xmit(skb);
}

/* From the Ethernet header on; the transport header is noted. */
static bool answer_copied(struct sk_buff *skb, unsigned int len)
{
	unsigned int end = sizeof(struct headers);

	skb_dst_drop(skb);
	skb_trim(skb, end);
	write_headers((struct headers *)skb->data, (struct headers *)skb->data, len);
	if (skb_tailroom(skb) >= len) {
		skb_put_data(skb, store, len);
	} else {
		if (PAGES_LEN - used < len) {
			page = (page + 1) % PAGES;
			used = 0;
		}
		memcpy(page_address(pages[page]) + used, store, len);
		get_page(pages[page]);
		skb_add_rx_frag(skb, 0, pages[page], used, len, len);
		used += ALIGN(len, 64);
	}
	send(skb, skb->dev);
	return true;
}

static bool answer_kept(struct sk_buff *skb, unsigned int len)
{
	struct sk_buff *item = items[next++ % ITEMS], *clone;

	/* A clone that is still under way has the same headers. */
	if (skb_cloned(item))
		return false;
	if (item->len != sizeof(struct headers) + len) {
		skb_trim(item, sizeof(struct headers));
		if (skb_tailroom(item) < len)
			return false;
		skb_put_zero(item, len);
	}
	write_headers((struct headers *)item->data, (struct headers *)skb->data, len);
	clone = skb_clone(item, GFP_ATOMIC);
	if (!clone)
		return false;
	send(clone, skb->dev);
	consume_skb(skb);
	return true;
}

static unsigned int answer(void *priv, struct sk_buff *skb,
			   const struct nf_hook_state *state)
{
	struct headers *h;
	struct udphdr *udp;

	if (skb->protocol != htons(ETH_P_IP) ||
	    !pskb_may_pull(skb, sizeof(*h) - ETH_HLEN))
		return NF_ACCEPT;
	udp = (struct udphdr *)(ip_hdr(skb) + 1);
	if (ip_hdr(skb)->protocol != IPPROTO_UDP || ip_hdr(skb)->ihl != 5 ||
	    udp->dest != htons(port))
		return NF_ACCEPT;
	if (skb_shared(skb) || skb_cloned(skb) || skb_is_nonlinear(skb))
		return NF_DROP;
	skb_set_transport_header(skb, sizeof(struct iphdr));
	skb_push(skb, skb->data - skb_mac_header(skb));
	h = (struct headers *)skb->data;
	if (!(kept ? answer_kept : answer_copied)(skb, ntohs(h->frame[3])))
		return NF_DROP;
	return NF_STOLEN;
}

static const struct nf_hook_ops ops = {
	.hook = answer,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_LOCAL_IN,
	.priority = INT_MAX - 1,
};

static void free_all(void)
{
	unsigned int i;

	for (i = 0; i < ITEMS; i++)
		kfree_skb(items[i]);
	for (i = 0; i < PAGES; i++)
		if (pages[i])
			put_page(pages[i]);
	kfree(store);
}

static int __init answer_init(void)
{
	unsigned int i, truesize = 0;
	int err = -ENOMEM;

	store = kzalloc(ETH_DATA_LEN, GFP_KERNEL);
	if (!store || size > ETH_DATA_LEN)
		goto fail;
	for (i = 0; i < PAGES; i++) {
		pages[i] = alloc_pages(GFP_KERNEL | __GFP_COMP, 3);
		if (!pages[i])
			goto fail;
	}
	for (i = 0; kept && i < ITEMS; i++) {
		struct sk_buff *skb = alloc_skb(NET_SKB_PAD + sizeof(struct headers) +
						AROUND + size, GFP_KERNEL);

		if (!skb)
			goto fail;
		items[i] = skb;
		skb_reserve(skb, NET_SKB_PAD);
		skb_put_zero(skb, sizeof(struct headers));
		skb_reset_mac_header(skb);
		skb_set_network_header(skb, ETH_HLEN);
		skb_set_transport_header(skb, ETH_HLEN + sizeof(struct iphdr));
		skb->protocol = htons(ETH_P_IP);
		truesize = skb->truesize;
	}
	err = nf_register_net_hook(&init_net, &ops);
	if (err)
		goto fail;
	pr_notice("answer: %u bytes of packet for each item of %u\n", truesize, size);
	return 0;
fail:
	free_all();
	return err;
}

static void __exit answer_exit(void)
{
	nf_unregister_net_hook(&init_net, &ops);
	free_all();
}

module_init(answer_init);
module_exit(answer_exit);
MODULE_DESCRIPTION("Answers UDP packets from kept packets, or with a copy");
MODULE_LICENSE("GPL");
