/* SPDX-License-Identifier: GPL-2.0-only */
/* IPsec policies, for the other files here. */
#ifndef UNBUCKLE_POLICY_H
#define UNBUCKLE_POLICY_H

#include <net/net_namespace.h>
#include <net/xfrm.h>

/*
 * Whether any policy has a say in what the namespace takes in or sends:
 * direction is XFRM_POLICY_IN or XFRM_POLICY_OUT.
 */
static inline bool ub_has_policy(const struct net *net, int direction)
{
#ifdef CONFIG_XFRM
	/* Bytes and words of their own: a compiler has nothing to tear. */
	return data_race(net->xfrm.policy_count[direction] ||
			 net->xfrm.policy_default[direction] ==
				 XFRM_USERPOLICY_BLOCK);
#else
	return false;
#endif
}

#endif /* UNBUCKLE_POLICY_H */
