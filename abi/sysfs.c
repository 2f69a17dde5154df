// SPDX-License-Identifier: GPL-2.0-only
/* Directories under /sys/module/unbuckle, whose files hold a number each. */
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/sysfs.h>

#include "unbuckle.h"

/* parent NULL is the module's own directory. */
struct kobject *ub_sysfs_directory(struct kobject *parent, const char *name)
{
	return kobject_create_and_add(name,
				      parent ?: &THIS_MODULE->mkobj.kobj);
}

/* Nobody is in a file of the directory any more afterwards. */
void ub_sysfs_remove(struct kobject *directory)
{
	kobject_del(directory);
	kobject_put(directory);
}

static ssize_t show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct ub_file *file = container_of(attr, struct ub_file, attr);

	return sysfs_emit(buf, "%llu\n", file->read(file->data, file->which));
}

/* name and file stay where they are until the directory is removed. */
int ub_sysfs_add(struct kobject *directory, struct ub_file *file,
		 const char *name)
{
	sysfs_attr_init(&file->attr.attr);
	file->attr.attr.name = name;
	file->attr.attr.mode = 0444;
	file->attr.show = show;
	return sysfs_create_file(directory, &file->attr.attr);
}
