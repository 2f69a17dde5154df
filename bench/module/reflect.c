// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that a server in the kernel can do, as a yardstick: every UDP
 * packet for one port goes straight back in its own sk_buff, taken from
 *
 *   hook=ingress dev=sv0   the device's netdev ingress hook
 *   hook=pre_routing       before the route is looked up
 *   hook=local_in          where a host takes what is for it
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_netdev.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/net_namespace.h>

static char *hook = "local_in";
module_param(hook, charp, 0444);
MODULE_PARM_DESC(hook, "ingress, pre_routing or local_in");

static char *dev = "sv0";
module_param(dev, charp, 0444);
MODULE_PARM_DESC(dev, "device whose ingress hook is meant");

static ushort port = 11211;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "UDP port");

static __be16 port_be;

static unsigned int reflect(void *priv, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	struct ethhdr *eth;
	struct udphdr *udp;
	struct iphdr *ip;
	u8 mac[ETH_ALEN];

	if (skb->protocol != htons(ETH_P_IP) ||
	    !pskb_may_pull(skb, sizeof(*ip) + sizeof(*udp)))
		return NF_ACCEPT;
	ip = ip_hdr(skb);
	if (ip->protocol != IPPROTO_UDP || ip->ihl != 5)
		return NF_ACCEPT;
	udp = (struct udphdr *)(ip + 1);
	if (udp->dest != port_be)
		return NF_ACCEPT;
	/* A clone's bytes are somebody else's too: none comes from our client. */
	if (skb_shared(skb) || skb_cloned(skb))
		return NF_DROP;

	swap(udp->source, udp->dest);
	swap(ip->saddr, ip->daddr);
	skb_push(skb, skb->data - skb_mac_header(skb));
	eth = eth_hdr(skb);
	ether_addr_copy(mac, eth->h_source);
	ether_addr_copy(eth->h_source, eth->h_dest);
	ether_addr_copy(eth->h_dest, mac);
	skb->pkt_type = PACKET_OUTGOING;
	skb_dst_drop(skb);
	dev_queue_xmit(skb);
	return NF_STOLEN;
}

static struct nf_hook_ops ops = {
	.hook = reflect,
	.priority = INT_MAX - 1,
};

static int __init reflect_init(void)
{
	int err;

	port_be = htons(port);
	if (!strcmp(hook, "ingress")) {
		ops.pf = NFPROTO_NETDEV;
		ops.hooknum = NF_NETDEV_INGRESS;
		ops.priority = 0;
		ops.dev = dev_get_by_name(&init_net, dev);
		if (!ops.dev)
			return -ENODEV;
	} else if (!strcmp(hook, "pre_routing")) {
		ops.pf = NFPROTO_IPV4;
		ops.hooknum = NF_INET_PRE_ROUTING;
	} else if (!strcmp(hook, "local_in")) {
		ops.pf = NFPROTO_IPV4;
		ops.hooknum = NF_INET_LOCAL_IN;
	} else {
		return -EINVAL;
	}
	err = nf_register_net_hook(&init_net, &ops);
	if (err)
		dev_put(ops.dev);
	return err;
}

static void __exit reflect_exit(void)
{
	nf_unregister_net_hook(&init_net, &ops);
	dev_put(ops.dev);
}

module_init(reflect_init);
module_exit(reflect_exit);
MODULE_DESCRIPTION("Sends UDP packets back, to be measured against");
MODULE_LICENSE("GPL");
