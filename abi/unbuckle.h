/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The C edge of unbuckle: the one header that bindgen sees.
 *
 * Functions that the kernel exports are bound directly; what stands here is
 * only what Rust cannot reach (macros, inline functions, bit fields). A shim
 * does one thing and decides nothing: every policy is on the Rust side.
 */
#ifndef UNBUCKLE_ABI_H
#define UNBUCKLE_ABI_H

#include <linux/compiler.h>
#include <linux/if_arp.h>
#include <linux/ip.h>
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/timekeeping.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/udp.h>

#if !IS_ENABLED(CONFIG_IPV6) || IS_MODULE(CONFIG_IPV6)
#error "unbuckle needs a kernel with CONFIG_IPV6=y"
#endif

/* params.c: the module parameters, as given; Rust checks and completes them. */
#define UB_CPUS_LEN 256
#define UB_ROUTING_LEN 16
extern unsigned int ub_param_port;
extern unsigned int ub_param_memory;
extern unsigned int ub_param_workers;
extern unsigned int ub_param_budget;
extern char ub_param_cpus[UB_CPUS_LEN];
extern char ub_param_routing[UB_ROUTING_LEN];
extern unsigned int ub_shown_workers;
extern char ub_shown_cpus[UB_CPUS_LEN];
void ub_params_lock(void);
void ub_params_unlock(void);
int ub_cpulist(const char *list, unsigned int *cpus, unsigned int max);
int ub_cpus_online(unsigned int *cpus, unsigned int max);

/* lock.c */
void ub_rwlock_init(rwlock_t *lock);
void ub_rwlock_read_lock(rwlock_t *lock);
void ub_rwlock_read_unlock(rwlock_t *lock);
void ub_rwlock_write_lock(rwlock_t *lock);
bool ub_rwlock_write_trylock(rwlock_t *lock);
void ub_rwlock_write_unlock(rwlock_t *lock);
void ub_spinlock_init(spinlock_t *lock);
void ub_spinlock_lock(spinlock_t *lock);
bool ub_spinlock_trylock(spinlock_t *lock);
void ub_spinlock_unlock(spinlock_t *lock);

/* kthread.c */
struct task_struct *ub_kthread_create(int (*fn)(void *data), void *data,
				      unsigned int cpu, unsigned int index);
void ub_task_put(struct task_struct *task);
void ub_kthread_move(struct task_struct *task, unsigned int cpu);
u64 ub_current_runtime_ns(void);
int ub_current_pid(void);
void ub_bh_disable(void);
void ub_bh_enable(void);
void ub_cond_resched(void);
unsigned int ub_cpu_this(void);

/* skb.c: packets, and the queue between hook and worker */
bool ub_skb_may_pull(struct sk_buff *skb, unsigned int len);
bool ub_skb_trim_checked(struct sk_buff *skb, unsigned int len);
bool ub_skb_is_gso(const struct sk_buff *skb);
bool ub_skb_for_host(const struct sk_buff *skb);
bool ub_skb_ipsec_ok(struct sk_buff *skb);
int ub_skb_udp6_offset(struct sk_buff *skb);
void ub_skb_set_transport(struct sk_buff *skb, unsigned int offset);
unsigned int ub_skb_transport(const struct sk_buff *skb);
unsigned int ub_skb_family(const struct sk_buff *skb);
void ub_skb_to_network(struct sk_buff *skb);
void ub_skb_detach(struct sk_buff *skb);
void ub_skb_drop(struct sk_buff *skb);
struct net_device *ub_skb_dev(const struct sk_buff *skb);
void ub_dev_hold(struct net_device *dev);
void ub_dev_put(struct net_device *dev);

/*
 * bytes counts the memory of the queued packets (truesize); consumer is woken
 * when the first one comes, and without one the queue takes nothing. Both
 * belong to the list's lock.
 */
struct ub_queue {
	struct sk_buff_head list;
	unsigned int bytes;
	struct task_struct *consumer;
};

void ub_kthread_wait(struct ub_queue *queue);
void ub_queue_init(struct ub_queue *queue);
void ub_queue_serve(struct ub_queue *queue, struct task_struct *consumer);
int ub_queue_push(struct ub_queue *queue, struct sk_buff *skb,
		  unsigned int max_bytes);
void ub_queue_take(struct ub_queue *queue, struct ub_queue *batch);
struct sk_buff *ub_queue_pop(struct ub_queue *batch);

/* xmit.c */
struct ub_link {
	unsigned int mtu;	/* bytes of network layer and above */
	unsigned int ifindex;
	unsigned int vrf;	/* index of its VRF device, 0 without one */
	bool ethernet;		/* plain Ethernet framing */
	bool loopback;
	bool ipsec;		/* policies say what may leave in the clear */
	bool has_mac;		/* the packet still has its link header */
};

void ub_link_of(const struct sk_buff *skb, struct net_device *dev,
		struct ub_link *link);
const u8 *ub_skb_mac(const struct sk_buff *skb);
struct sk_buff *ub_skb_blank(unsigned int headroom, unsigned int room);
bool ub_skb_recycle(struct sk_buff *skb, unsigned int headroom,
		    unsigned int room);
void ub_skb_mark_transport(struct sk_buff *skb);
void ub_skb_mark_network(struct sk_buff *skb, unsigned int family);
void ub_skb_mark_mac(struct sk_buff *skb, struct net_device *dev);
void ub_ip_checksum(struct sk_buff *skb);
void ub_ip_ident(struct net *net, struct sk_buff *skb);
int ub_route4(struct net *net, struct sk_buff *skb, const u8 *saddr,
	      const u8 *daddr, u16 sport, u16 dport, int oif);
int ub_route6(struct net *net, struct sk_buff *skb, const u8 *saddr,
	      const u8 *daddr, u16 sport, u16 dport, int oif);
void ub_udp_csum4(struct sk_buff *skb, const u8 *saddr, const u8 *daddr);
void ub_udp_csum6(struct sk_buff *skb, const u8 *saddr, const u8 *daddr);

/* sock.c: the socket that keeps the port */
int ub_sock_reserve(struct net *net, u16 port, void *data,
		    int (*receive)(struct sock *sk, struct sk_buff *skb),
		    struct socket **res);
void *ub_sock_data(struct sock *sk);

#endif /* UNBUCKLE_ABI_H */
