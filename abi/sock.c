// SPDX-License-Identifier: GPL-2.0-only
/* The socket that keeps the port for us, and catches what the hook let pass. */
#include <linux/net.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

#include "unbuckle.h"

static int bind_any(struct net *net, int family, u16 port, struct socket **res)
{
	struct sockaddr_in6 any6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
	};
	struct sockaddr_in any4 = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int err;

	err = sock_create_kern(net, family, SOCK_DGRAM, IPPROTO_UDP, res);
	if (err)
		return err;
	if (family == AF_INET6) {
		(*res)->sk->sk_ipv6only = 0;
		err = kernel_bind(*res, (struct sockaddr_unsized *)&any6,
				  sizeof(any6));
	} else {
		err = kernel_bind(*res, (struct sockaddr_unsized *)&any4,
				  sizeof(any4));
	}
	if (err)
		sock_release(*res);
	return err;
}

/*
 * Bind the port on every address, IPv4 and IPv6 (IPv4 alone where there is no
 * IPv6). What still reaches the socket goes to receive(), in softirq context,
 * checksum verified, skb->data at the UDP header. receive() finds data with
 * ub_sock_data(); the socket ends with sock_release(), and synchronize_net()
 * after that waits for the last receive().
 */
int ub_sock_reserve(struct net *net, u16 port, void *data,
		    int (*receive)(struct sock *sk, struct sk_buff *skb),
		    struct socket **res)
{
	struct sock *sk;
	int err;

	err = bind_any(net, AF_INET6, port, res);
	if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
		err = bind_any(net, AF_INET, port, res);
	if (err)
		return err;

	sk = (*res)->sk;
	rcu_assign_sk_user_data(sk, data);
	WRITE_ONCE(udp_sk(sk)->encap_rcv, receive);
	WRITE_ONCE(udp_sk(sk)->encap_type, 1);
	udp_tunnel_encap_enable(sk);
	return 0;
}

void *ub_sock_data(struct sock *sk)
{
	return rcu_dereference_sk_user_data(sk);
}
