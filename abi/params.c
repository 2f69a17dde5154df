// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module parameters. They live in C because the Rust module! macro's
 * parameters cannot be read back in sysfs; their meaning is in src/params.rs.
 */
#include <linux/cpumask.h>
#include <linux/moduleparam.h>

#include "unbuckle.h"

unsigned int ub_param_port = 11211;
module_param_named(port, ub_param_port, uint, 0444);
MODULE_PARM_DESC(port, "UDP port to serve, 1 to 65535 (default 11211)");

unsigned int ub_param_memory = 64;
module_param_named(memory, ub_param_memory, uint, 0444);
MODULE_PARM_DESC(memory, "memory for items in MiB, taken at load (default 64)");

/*
 * The others may be written while the module serves. A value that Rust refuses
 * is taken back. All of this runs under the parameters' lock.
 */
int ub_reconfigure(void);	/* src/sys/params.rs */

static int set_live(const char *val, const struct kernel_param *kp,
		    int (*parse)(const char *val, const struct kernel_param *kp),
		    void *var, size_t size)
{
	char old[UB_CPUS_LEN];
	int err;

	memcpy(old, var, size);
	err = parse(val, kp);
	if (!err) {
		err = ub_reconfigure();
		if (err)
			memcpy(var, old, size);
	}
	return err;
}

static int set_uint(const char *val, const struct kernel_param *kp)
{
	return set_live(val, kp, param_set_uint, kp->arg, sizeof(unsigned int));
}

static int set_string(const char *val, const struct kernel_param *kp)
{
	return set_live(val, kp, param_set_copystring, kp->str->string,
			kp->str->maxlen);
}

/* Where a value may be left open, what was chosen is shown instead. */
unsigned int ub_shown_workers;
char ub_shown_cpus[UB_CPUS_LEN];

static int get_workers(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%u\n", ub_shown_workers);
}

static int get_cpus(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", ub_shown_cpus);
}

static const struct kernel_param_ops budget_ops = {
	.set = set_uint,
	.get = param_get_uint,
};

static const struct kernel_param_ops workers_ops = {
	.set = set_uint,
	.get = get_workers,
};

static const struct kernel_param_ops cpus_ops = {
	.set = set_string,
	.get = get_cpus,
};

static const struct kernel_param_ops routing_ops = {
	.set = set_string,
	.get = param_get_string,
};

#define live_string(name, buffer)						\
	static const struct kparam_string name##_string = {			\
		.maxlen = sizeof(buffer), .string = buffer			\
	};									\
	__module_param_call(MODULE_PARAM_PREFIX, name, &name##_ops,		\
			    .str = &name##_string, 0644, -1, 0);		\
	__MODULE_PARM_TYPE(name, "string")

unsigned int ub_param_workers;
module_param_cb(workers, &workers_ops, &ub_param_workers, 0644);
__MODULE_PARM_TYPE(workers, "uint");
MODULE_PARM_DESC(workers,
		 "worker threads (default: the CPUs of cpus=, or all online but one)");

char ub_param_cpus[UB_CPUS_LEN];
live_string(cpus, ub_param_cpus);
MODULE_PARM_DESC(cpus, "CPUs the workers are pinned to, e.g. 1-3,5");

char ub_param_routing[UB_ROUTING_LEN] = "rr";
live_string(routing, ub_param_routing);
MODULE_PARM_DESC(routing,
		 "who answers: rr (workers in turn), key (a key's own worker), inline (the hook)");

unsigned int ub_param_budget = 64;
module_param_cb(budget, &budget_ops, &ub_param_budget, 0644);
__MODULE_PARM_TYPE(budget, "uint");
MODULE_PARM_DESC(budget,
		 "packets a worker handles before others get its CPU (default 64)");

void ub_params_lock(void)
{
	kernel_param_lock(THIS_MODULE);
}

void ub_params_unlock(void)
{
	kernel_param_unlock(THIS_MODULE);
}

static int fill(const struct cpumask *mask, unsigned int *cpus,
		unsigned int max)
{
	unsigned int cpu, n = 0;

	for_each_cpu(cpu, mask) {
		if (n < max)
			cpus[n] = cpu;
		n++;
	}
	return n;
}

/* The CPUs that a list such as "1-3,5" names; their number, or an errno. */
int ub_cpulist(const char *list, unsigned int *cpus, unsigned int max)
{
	cpumask_var_t mask;
	int err;

	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	err = cpulist_parse(list, mask);
	if (!err)
		err = fill(mask, cpus, max);
	free_cpumask_var(mask);
	return err;
}

int ub_cpus_online(unsigned int *cpus, unsigned int max)
{
	return fill(cpu_online_mask, cpus, max);
}
