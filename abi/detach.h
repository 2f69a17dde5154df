/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet leaves behind when it is no longer the receive path's. */
#ifndef UNBUCKLE_DETACH_H
#define UNBUCKLE_DETACH_H

#include <linux/skbuff.h>
#include <net/dst.h>

/*
 * Drop what the receive path alone keeps alive (the route), and what would hold
 * others up (the sender's socket, the connection tracking entry). Once is
 * enough, twice does no harm.
 */
static __always_inline void ub_skb_detach(struct sk_buff *skb)
{
	skb_dst_drop(skb);
	skb_orphan(skb);
	nf_reset_ct(skb);
}

#endif /* UNBUCKLE_DETACH_H */
