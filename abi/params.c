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
MODULE_PARM_DESC(memory, "memory in MiB for everything, taken at load (default 64)");

unsigned int ub_param_min_chunk = 32;
module_param_named(min_chunk, ub_param_min_chunk, uint, 0444);
MODULE_PARM_DESC(min_chunk,
		 "bytes the smallest chunk has for key, flags and value (default 32)");

char ub_param_growth[UB_GROWTH_LEN] = "1.25";
module_param_string(growth, ub_param_growth, sizeof(ub_param_growth), 0444);
MODULE_PARM_DESC(growth, "each size class's chunks to the next smaller ones' (default 1.25)");

unsigned int ub_param_item_max = 1 << 20;
module_param_named(item_max, ub_param_item_max, uint, 0444);
MODULE_PARM_DESC(item_max, "bytes of the largest item (default 1048576)");

unsigned int ub_param_stripes = 256;
module_param_named(stripes, ub_param_stripes, uint, 0444);
MODULE_PARM_DESC(stripes, "locks of the table, a power of two; 1 is a global lock (default 256)");

unsigned int ub_param_responders;
module_param_named(responders, ub_param_responders, uint, 0444);
MODULE_PARM_DESC(responders,
		 "how many may answer at a time, workers and CPUs of routing=inline (default: as needed at load)");

char ub_param_hook[UB_HOOK_LEN] = "local_in";
module_param_string(hook, ub_param_hook, sizeof(ub_param_hook), 0444);
MODULE_PARM_DESC(hook,
		 "where packets are taken: local_in (behind the firewall, default), pre_routing, ingress");

char ub_param_dev[UB_DEV_LEN];
module_param_string(dev, ub_param_dev, sizeof(ub_param_dev), 0444);
MODULE_PARM_DESC(dev, "devices whose packets hook=ingress takes, e.g. eth0,eth1");

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

static int set_bool(const char *val, const struct kernel_param *kp)
{
	return set_live(val, kp, param_set_bool, kp->arg, sizeof(bool));
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

static const struct kernel_param_ops uint_ops = {
	.set = set_uint,
	.get = param_get_uint,
};

static const struct kernel_param_ops bool_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_bool,
	.get = param_get_bool,
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
module_param_cb(budget, &uint_ops, &ub_param_budget, 0644);
__MODULE_PARM_TYPE(budget, "uint");
MODULE_PARM_DESC(budget,
		 "packets a worker handles before others get its CPU (default 64)");

unsigned int ub_param_busy_poll_us;
module_param_cb(busy_poll_us, &uint_ops, &ub_param_busy_poll_us, 0644);
__MODULE_PARM_TYPE(busy_poll_us, "uint");
MODULE_PARM_DESC(busy_poll_us,
		 "microseconds an idle worker looks for requests before it sleeps (default 0)");

bool ub_param_fifo;
module_param_cb(fifo, &bool_ops, &ub_param_fifo, 0644);
__MODULE_PARM_TYPE(fifo, "bool");
MODULE_PARM_DESC(fifo,
		 "workers go before the normal threads of their CPU (SCHED_FIFO, default N)");

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
