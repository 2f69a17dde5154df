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
#include <linux/jiffies.h>
#include <linux/kobject.h>
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_netdev.h>
#include <linux/notifier.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
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

/* Rust reads skb->end as the size of the buffer. */
#ifndef NET_SKBUFF_DATA_USES_OFFSET
#error "unbuckle needs a 64-bit kernel"
#endif

/* params.c: the module parameters, as given; Rust checks and completes them. */
#define UB_CPUS_LEN 256
#define UB_ROUTING_LEN 16
#define UB_GROWTH_LEN 16
#define UB_HOOK_LEN 16
#define UB_DEV_LEN 256
extern unsigned int ub_param_port;
extern unsigned int ub_param_memory;
extern unsigned int ub_param_min_chunk;
extern char ub_param_growth[UB_GROWTH_LEN];
extern unsigned int ub_param_item_max;
extern unsigned int ub_param_stripes;
extern unsigned int ub_param_responders;
extern unsigned int ub_param_workers;
extern unsigned int ub_param_budget;
extern unsigned int ub_param_busy_poll_us;
extern bool ub_param_fifo;
extern char ub_param_cpus[UB_CPUS_LEN];
extern char ub_param_routing[UB_ROUTING_LEN];
extern char ub_param_hook[UB_HOOK_LEN];
extern char ub_param_dev[UB_DEV_LEN];
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
void ub_spinlock_init_inner(spinlock_t *lock);
void ub_spinlock_init_outer(spinlock_t *lock);
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
void ub_task_set_fifo(struct task_struct *task, bool fifo);
void ub_nap(unsigned int us);
bool ub_cpu_is_wanted(void);
void ub_cpu_relax(void);
u64 ub_clock_ns(void);
unsigned int ub_nodes(void);
unsigned int ub_node_this(void);
unsigned int ub_node_of_cpu(unsigned int cpu);
void ub_bh_disable(void);
void ub_bh_enable(void);
void ub_cond_resched(void);
unsigned int ub_cpu_this(void);

/* skb.c: packets, and the queue between hook and worker */
bool ub_skb_may_pull(struct sk_buff *skb, unsigned int len);
bool ub_skb_trim_checked(struct sk_buff *skb, unsigned int len);
bool ub_skb_ipsec_ok(struct sk_buff *skb);
int ub_skb_udp6_offset(struct sk_buff *skb);
unsigned int ub_skb_transport(const struct sk_buff *skb);
void ub_skb_to_network(struct sk_buff *skb);

/*
 * What there is to know of a packet before it is taken: facts, of which the usual
 * packet has none, and above them the CPU we are on. Rust keeps more between.
 */
#define UB_CPU_SHIFT 32
#define UB_STRANGE 1u		/* not to be taken before the stack has it */
#define UB_IPV6 2u		/* said where the hook does not know */
#define UB_MERGED 4u		/* several datagrams that the device merged */
#define UB_NOT_FOR_HOST 8u	/* broadcast or multicast, at the link or above */
#define UB_POLICY 16u		/* IPsec policies are to be asked: ub_skb_ipsec_ok() */
#define UB_UNVERIFIED 32u	/* its UDP checksum was not looked at yet */
/* In pieces, or somebody else's too, or with something on it: not to be written to. */
#define UB_FOREIGN 64u
/*
 * It came by no plain Ethernet device, or without its link header, or somebody
 * (VRF, IPsec policy) has a say in where the answer goes.
 */
#define UB_INDIRECT 128u
#define UB_NARROW 256u		/* its device's MTU is below UB_MTU_WIDE: ub_skb_mtu() */
#define UB_MTU_WIDE 1500u	/* enough for all replies that go back in one packet */
u64 ub_skb_look4(const struct sk_buff *skb);
u64 ub_skb_look6(const struct sk_buff *skb);
u64 ub_skb_look_late(const struct sk_buff *skb);
u64 ub_skb_look_early4(struct sk_buff *skb);
u64 ub_skb_look_early6(const struct sk_buff *skb);
unsigned int ub_skb_mtu(const struct sk_buff *skb);

void ub_skb_drop(struct sk_buff *skb);
struct net_device *ub_skb_dev(const struct sk_buff *skb);
void ub_dev_hold(struct net_device *dev);
void ub_dev_put(struct net_device *dev);
unsigned int ub_dev_index(const struct net_device *dev);
unsigned int ub_dev_vrf(struct net_device *dev);

/*
 * queue.c: load counts packets that wait, or are about to, and their memory (truesize);
 * consumer is woken when the first one comes, and without one the queue takes nothing.
 */
struct ub_queue {
	struct llist_head newest;
	atomic64_t load;
	struct task_struct __rcu *consumer;
};

void ub_kthread_wait(struct ub_queue *queue);
bool ub_queue_is_empty(const struct ub_queue *queue);
unsigned int ub_queue_len(const struct ub_queue *queue);
unsigned int ub_queue_bytes(const struct ub_queue *queue);
void ub_queue_init(struct ub_queue *queue);
void ub_queue_serve(struct ub_queue *queue, struct task_struct *consumer);
int ub_queue_push(struct ub_queue *queue, struct sk_buff *skb,
		  unsigned int max_bytes);
struct sk_buff *ub_queue_take(struct ub_queue *queue);

/* early.c: packets that the stack has not looked at yet */
struct net_device *ub_notified_dev(void *info);
bool ub_dev_has_name(const struct net_device *dev, const char *name);

/* xmit.c */
u8 *ub_skb_mac(const struct sk_buff *skb);
#define UB_SHEET_LEN 32768	/* bytes, a power of two of pages */
struct page *ub_sheet_new(void);
void *ub_sheet_base(struct page *page);
bool ub_sheet_is_idle(struct page *page);
void ub_sheet_put(struct page *page);
bool ub_skb_attach(struct sk_buff *skb, struct page *page, unsigned int offset,
		   unsigned int len);
#define UB_PARTS_MAX MAX_SKB_FRAGS
enum {
	/* A packet's buffer begins and ends at multiples of this, */
	UB_BUFFER_ALIGN = SMP_CACHE_BYTES,
	/* and has so much behind its bytes. */
	UB_BUFFER_END = SKB_DATA_ALIGN(sizeof(struct skb_shared_info)),
};
void ub_skb_move(struct sk_buff *skb, struct page *page, u8 *buffer,
		 unsigned int size);
unsigned int ub_skb_parts(const struct sk_buff *skb);
void ub_skb_merge(struct sk_buff *skb, unsigned int size, unsigned int count);
struct sk_buff *ub_skb_blank(unsigned int headroom, unsigned int room);
void ub_skb_recycle(struct sk_buff *skb, unsigned int headroom);
int ub_skb_send_answered(struct sk_buff *skb, unsigned int transport,
			 unsigned int len);
int ub_skb_send_back(struct sk_buff *skb, unsigned int shift,
		     unsigned int transport, unsigned int len);
int ub_skb_send_kept_answered(struct sk_buff *skb, unsigned int transport,
			      unsigned int len);
int ub_skb_send_kept_back(struct sk_buff *skb, unsigned int shift,
			  unsigned int transport, unsigned int len);
void ub_skb_mark_udp(struct sk_buff *skb);
void ub_skb_mark_network(struct sk_buff *skb, unsigned int family);
void ub_skb_mark_mac(struct sk_buff *skb, struct net_device *dev);
void ub_ip_ident(struct net *net, struct sk_buff *skb);
int ub_route4(struct net *net, struct sk_buff *skb, const u8 *saddr,
	      const u8 *daddr, u16 sport, u16 dport, int oif);
int ub_route6(struct net *net, struct sk_buff *skb, const u8 *saddr,
	      const u8 *daddr, u16 sport, u16 dport, int oif);

/* stock.c: empty packets for one who sends */
struct ub_stock;
struct ub_stock *ub_stock_new(unsigned int wanted, unsigned int room);
void ub_stock_free(struct ub_stock *stock);
bool ub_stock_add(struct ub_stock *stock);
void ub_stock_order(struct ub_stock *stock);
void ub_stock_settle(struct ub_stock *stock);
struct sk_buff *ub_stock_take(struct ub_stock *stock, unsigned int headroom);
unsigned int ub_stock_left(const struct ub_stock *stock);

/* sysfs.c: a file reads one number */
struct ub_file {
	struct kobj_attribute attr;
	u64 (*read)(const void *data, unsigned int which);
	const void *data;
	unsigned int which;
};

struct kobject *ub_sysfs_directory(struct kobject *parent, const char *name);
void ub_sysfs_remove(struct kobject *directory);
int ub_sysfs_add(struct kobject *directory, struct ub_file *file,
		 const char *name);

/* sock.c: the socket that keeps the port */
int ub_sock_reserve(struct net *net, u16 port, void *data,
		    int (*receive)(struct sock *sk, struct sk_buff *skb),
		    struct socket **res);
void *ub_sock_data(struct sock *sk);

#endif /* UNBUCKLE_ABI_H */
