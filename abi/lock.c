// SPDX-License-Identifier: GPL-2.0-only
/* Locks of the store. Every caller has bottom halves off (doc/datapath.md). */
#include <linux/spinlock.h>

#include "unbuckle.h"

void ub_rwlock_init(rwlock_t *lock)
{
	rwlock_init(lock);
}

void ub_rwlock_read_lock(rwlock_t *lock)
{
	read_lock(lock);
}

void ub_rwlock_read_unlock(rwlock_t *lock)
{
	read_unlock(lock);
}

void ub_rwlock_write_lock(rwlock_t *lock)
{
	write_lock(lock);
}

bool ub_rwlock_write_trylock(rwlock_t *lock)
{
	return write_trylock(lock);
}

void ub_rwlock_write_unlock(rwlock_t *lock)
{
	write_unlock(lock);
}

void ub_spinlock_init(spinlock_t *lock)
{
	spin_lock_init(lock);
}

/* Of another lockdep class: may be taken while one of the others is held. */
void ub_spinlock_init_inner(spinlock_t *lock)
{
	spin_lock_init(lock);
}

/* And of another: the others may be taken while this is held. */
void ub_spinlock_init_outer(spinlock_t *lock)
{
	spin_lock_init(lock);
}

void ub_spinlock_lock(spinlock_t *lock)
{
	spin_lock(lock);
}

bool ub_spinlock_trylock(spinlock_t *lock)
{
	return spin_trylock(lock);
}

void ub_spinlock_unlock(spinlock_t *lock)
{
	spin_unlock(lock);
}
