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

unsigned int ub_param_workers;
module_param_named(workers, ub_param_workers, uint, 0444);
MODULE_PARM_DESC(workers,
		 "worker threads (default: the CPUs of cpus=, or all online but one)");

char ub_param_cpus[UB_CPUS_LEN];
module_param_string(cpus, ub_param_cpus, UB_CPUS_LEN, 0444);
MODULE_PARM_DESC(cpus, "CPUs the workers are pinned to, e.g. 1-3,5");

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
