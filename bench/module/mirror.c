// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device with the whole world behind it, which answers every IPv4 UDP
 * packet itself: with the same bytes, or with reply= bytes of payload. What a
 * client costs that talks to it is the client's own share of any exchange: its
 * system calls, and the stack below them down to a device and back.
 *
 * The device's own work is no part of that. It keeps a record of it in TSC
 * ticks, which under bench/boot are instructions: spent= for packets= packets.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <asm/msr.h>
#include <net/ip.h>

static uint reply;
module_param(reply, uint, 0644);
MODULE_PARM_DESC(reply, "bytes of payload to answer with, 0 for the request's own");

/* One CPU, one client: nobody else writes these. */
static ulong spent;
module_param(spent, ulong, 0644);
static ulong packets;
module_param(packets, ulong, 0644);

static struct net_device *mirror;

/* Makes the payload of a linear packet as long as reply= says. */
static int resize(struct sk_buff *skb)
{
	unsigned int old = skb->len, len;
	struct udphdr *udp;
	struct iphdr *ip;
	int err;

	len = ETH_HLEN + sizeof(*ip) + sizeof(*udp) + reply;
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
	ip = ip_hdr(skb);
	udp = (struct udphdr *)(ip + 1);
	udp->len = htons(sizeof(*udp) + reply);
	ip->tot_len = htons(len - ETH_HLEN);
	ip_send_check(ip);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return 0;
}

static netdev_tx_t mirror_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct ethhdr *eth = eth_hdr(skb);
	u64 start = rdtsc();
	struct udphdr *udp;
	struct iphdr *ip;
	u8 mac[ETH_ALEN];

	if (eth->h_proto != htons(ETH_P_IP) ||
	    skb_linearize(skb) ||
	    skb->len < ETH_HLEN + sizeof(*ip) + sizeof(*udp))
		goto drop;
	eth = eth_hdr(skb);
	ip = ip_hdr(skb);
	if (ip->protocol != IPPROTO_UDP || ip->ihl != 5)
		goto drop;
	if (reply) {
		if (resize(skb))
			goto drop;
		eth = eth_hdr(skb);
		ip = ip_hdr(skb);
	}
	udp = (struct udphdr *)(ip + 1);

	swap(udp->source, udp->dest);
	swap(ip->saddr, ip->daddr);
	ether_addr_copy(mac, eth->h_source);
	ether_addr_copy(eth->h_source, eth->h_dest);
	ether_addr_copy(eth->h_dest, mac);

	skb_orphan(skb);
	skb_dst_drop(skb);
	skb->protocol = eth_type_trans(skb, dev);
	packets++;
	spent += rdtsc() - start;
	netif_rx(skb);
	return NETDEV_TX_OK;

drop:
	kfree_skb(skb);
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
