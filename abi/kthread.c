// SPDX-License-Identifier: GPL-2.0-only
/* Kernel threads and the context they run in. */
#include <linux/bottom_half.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>
#include <linux/topology.h>

#include "unbuckle.h"

/*
 * A thread bound to one CPU, not yet running; the caller owns a reference to
 * it. Bound, but not marked per-CPU: if its CPU goes offline the scheduler
 * moves it instead of leaving it stuck.
 */
struct task_struct *ub_kthread_create(int (*fn)(void *data), void *data,
				      unsigned int cpu, unsigned int index)
{
	struct task_struct *task;

	task = kthread_create_on_node(fn, data, cpu_to_node(cpu),
				      "unbuckle/%u", index);
	if (!IS_ERR(task)) {
		get_task_struct(task);
		kthread_bind(task, cpu);
	}
	return task;
}

void ub_task_put(struct task_struct *task)
{
	put_task_struct(task);
}

/* Bind a running thread to another CPU. */
void ub_kthread_move(struct task_struct *task, unsigned int cpu)
{
	set_cpus_allowed_ptr(task, cpumask_of(cpu));
}

/* CPU time of the calling thread, as of the last tick. */
u64 ub_current_runtime_ns(void)
{
	return READ_ONCE(current->se.sum_exec_runtime);
}

int ub_current_pid(void)
{
	return task_pid_nr(current);
}

/*
 * Sleep until woken, unless there is work or the thread must end. The state is
 * set before the queue is looked at: a push that comes later finds a thread to
 * wake (the queue's lock and set_current_state() order the two).
 */
void ub_kthread_wait(struct ub_queue *queue)
{
	set_current_state(TASK_IDLE);
	if (skb_queue_empty_lockless(&queue->list) && !kthread_should_stop())
		schedule();
	__set_current_state(TASK_RUNNING);
}

void ub_bh_disable(void)
{
	local_bh_disable();
}

void ub_bh_enable(void)
{
	local_bh_enable();
}

void ub_cond_resched(void)
{
	cond_resched();
}

/* For callers that cannot migrate. */
unsigned int ub_cpu_this(void)
{
	return raw_smp_processor_id();
}
