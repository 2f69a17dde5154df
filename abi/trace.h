/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints, /sys/kernel/tracing/events/unbuckle. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM unbuckle

#if !defined(UNBUCKLE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UNBUCKLE_TRACE_H

#include <linux/tracepoint.h>

/* A packet was taken; len counts from its network header on. */
TRACE_EVENT(receive,
	TP_PROTO(unsigned int len),
	TP_ARGS(len),
	TP_STRUCT__entry(
		__field(unsigned int, len)
	),
	TP_fast_assign(
		__entry->len = len;
	),
	TP_printk("len=%u", __entry->len)
);

/* hash is the key's, under this load's secret; len is the item's reply text. */
DECLARE_EVENT_CLASS(item,
	TP_PROTO(u64 hash, unsigned int len),
	TP_ARGS(hash, len),
	TP_STRUCT__entry(
		__field(u64, hash)
		__field(unsigned int, len)
	),
	TP_fast_assign(
		__entry->hash = hash;
		__entry->len = len;
	),
	TP_printk("hash=%016llx len=%u", __entry->hash, __entry->len)
);

DEFINE_EVENT(item, hit,
	TP_PROTO(u64 hash, unsigned int len),
	TP_ARGS(hash, len)
);

/* len is 0. */
DEFINE_EVENT(item, miss,
	TP_PROTO(u64 hash, unsigned int len),
	TP_ARGS(hash, len)
);

DEFINE_EVENT(item, evict,
	TP_PROTO(u64 hash, unsigned int len),
	TP_ARGS(hash, len)
);

/* A packet, or an answer, was lost; reasons as in /sys/module/unbuckle/drops. */
TRACE_EVENT(drop,
	TP_PROTO(const char *reason),
	TP_ARGS(reason),
	TP_STRUCT__entry(
		__string(reason, reason)
	),
	TP_fast_assign(
		__assign_str(reason);
	),
	TP_printk("reason=%s", __get_str(reason))
);

#endif /* UNBUCKLE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
