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

/* That none has, in or out, in two looks. False may mean that it is not said as usual. */
static inline bool ub_has_no_policy(const struct net *net)
{
#ifdef CONFIG_XFRM
	u64 counts;
	u16 defaults;

	BUILD_BUG_ON(XFRM_POLICY_IN != 0 || XFRM_POLICY_OUT != 1);
	BUILD_BUG_ON(sizeof(counts) != 2 * sizeof(net->xfrm.policy_count[0]));
	BUILD_BUG_ON(sizeof(defaults) != 2 * sizeof(net->xfrm.policy_default[0]));
	data_race(memcpy(&counts, net->xfrm.policy_count, sizeof(counts)));
	data_race(memcpy(&defaults, net->xfrm.policy_default, sizeof(defaults)));
	return !counts && defaults == XFRM_USERPOLICY_ACCEPT * 0x0101;
#else
	return true;
#endif
}

#endif /* UNBUCKLE_POLICY_H */
