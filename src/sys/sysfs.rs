// SPDX-License-Identifier: GPL-2.0-only
//! Directories under `/sys/module/unbuckle`, whose files hold a number each.

use super::bindings;
use core::ptr::{null_mut, NonNull};
use kernel::{
    bindings::kobject,
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// What the files of a directory tell.
pub(crate) trait Numbers: Send + Sync + 'static {
    /// The number in file `which`. The reader's context; may be called by
    /// several at a time.
    fn number(&self, which: usize) -> u64;
}

/// A directory, until it is dropped.
///
/// # Invariants
///
/// `object` is in sysfs; its files are `files`, whose data is `_numbers`, and
/// both stay where they are.
pub(crate) struct Directory<N: Numbers> {
    object: NonNull<kobject>,
    files: KVec<Opaque<bindings::ub_file>>,
    _numbers: KBox<N>,
}

// SAFETY: The kernel locks its own tree; the numbers may be read by anybody.
unsafe impl<N: Numbers> Send for Directory<N> {}
// SAFETY: As above.
unsafe impl<N: Numbers> Sync for Directory<N> {}

impl<N: Numbers> Directory<N> {
    /// Makes a directory with a file for each of `names`, in the module's own
    /// or in `parent`. May sleep.
    pub(crate) fn new(
        parent: Option<&Directory<()>>,
        name: &CStr,
        names: &[&'static CStr],
        numbers: N,
    ) -> Result<Self> {
        let parent = parent.map_or(null_mut(), |parent| parent.object.as_ptr());
        let numbers = KBox::new(numbers, GFP_KERNEL)?;
        let mut files = KVec::with_capacity(names.len(), GFP_KERNEL)?;
        for which in 0..names.len() {
            let file = bindings::ub_file {
                read: Some(read::<N>),
                data: (&raw const *numbers).cast(),
                which: u32::try_from(which)?,
                ..Default::default()
            };
            files.push(Opaque::new(file), GFP_KERNEL)?;
        }
        // SAFETY: The parent is in sysfs, and the name is copied.
        let object = unsafe { bindings::ub_sysfs_directory(parent, name.as_ptr().cast()) };
        // INVARIANT: The object is new. No file is added to `files` any more, so they stay.
        let directory = Self {
            object: NonNull::new(object).ok_or(ENOMEM)?,
            files,
            _numbers: numbers,
        };
        for (file, name) in directory.files.iter().zip(names) {
            // SAFETY: Directory and file are valid and stay so, and the name is there for ever.
            to_result(unsafe { bindings::ub_sysfs_add(object, file.get(), name.as_ptr().cast()) })?;
        }
        Ok(directory)
    }
}

impl<N: Numbers> Drop for Directory<N> {
    fn drop(&mut self) {
        // SAFETY: Ours by the type invariant. Waits for those who are reading; only then do files
        // and numbers go.
        unsafe { bindings::ub_sysfs_remove(self.object.as_ptr()) };
    }
}

/// No files.
impl Numbers for () {
    fn number(&self, _which: usize) -> u64 {
        0
    }
}

/// # Safety
///
/// `data` is the `N` of a directory that is there.
unsafe extern "C" fn read<N: Numbers>(data: *const c_void, which: c_uint) -> u64 {
    // SAFETY: By our own contract.
    unsafe { &*data.cast::<N>() }.number(which as usize)
}
