// SPDX-License-Identifier: GPL-2.0-only
/* Kernel threads and the context they run in. */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>
#include <linux/sched/stat.h>
#include <linux/topology.h>
#include <uapi/linux/sched/types.h>

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

/* Before all normal threads of its CPU, or one of them. */
void ub_task_set_fifo(struct task_struct *task, bool fifo)
{
	if (fifo)
		sched_set_fifo_low(task);
	else
		sched_set_normal(task, 0);
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
 * wake (both are full barriers, this one and llist_add()'s).
 */
void ub_kthread_wait(struct ub_queue *queue)
{
	set_current_state(TASK_IDLE);
	if (llist_empty(&queue->newest) && !kthread_should_stop())
		schedule();
	__set_current_state(TASK_RUNNING);
}

/* Sleep for about that long, without counting as load. */
void ub_nap(unsigned int us)
{
	usleep_range_state(us, us + us / 4, TASK_IDLE);
}

/* Somebody else would run on this CPU if the calling thread did not. */
bool ub_cpu_is_wanted(void)
{
	return need_resched() || !single_task_running();
}

void ub_cpu_relax(void)
{
	cpu_relax();
}

/* Nanoseconds, for a thread that is bound to its CPU. */
u64 ub_clock_ns(void)
{
	return local_clock();
}

unsigned int ub_nodes(void)
{
	return nr_node_ids;
}

unsigned int ub_node_this(void)
{
	return numa_node_id();
}

unsigned int ub_node_of_cpu(unsigned int cpu)
{
	int node = cpu_to_node(cpu);

	return node < 0 ? 0 : node;
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
